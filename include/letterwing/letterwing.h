/* SPDX-License-Identifier: MIT */
/*
 * letterwing/letterwing.h - compose a message and send it
 *
 * What a program that sends mail needs, and no more.  The engines without I/O are in
 * letterwing/smtp.h and letterwing/server.h, the capture server in letterwing/sink.h.
 */
#ifndef LETTERWING_LETTERWING_H
#define LETTERWING_LETTERWING_H

#include <letterwing/base.h>
#include <letterwing/dkim.h>
#include <letterwing/message.h>
#include <letterwing/secure.h>
#include <letterwing/send.h>

#endif
