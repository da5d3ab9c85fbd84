<?php
// SPDX-License-Identifier: MIT
// phpmailer.php - PHPMailer as a client: a process for each connection
//
//     php phpmailer.php PORT COUNT CONNECTIONS compose|attach FILE [CA]      with CA: STARTTLS
require '/usr/share/php/libphp-phpmailer/autoload.php';
use PHPMailer\PHPMailer\PHPMailer;
use PHPMailer\PHPMailer\SMTP;

function mailer($port, $ca)
{
    $m = new PHPMailer(true);
    $m->isSMTP();
    $m->Host = '127.0.0.1';
    $m->Port = (int)$port;
    $m->Helo = 'bench.test';
    $m->CharSet = 'utf-8';
    $m->SMTPAutoTLS = false;
    $m->SMTPKeepAlive = true;
    if ($ca !== null) {
        $m->SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS;
        $m->SMTPOptions = ['ssl' => ['cafile' => $ca, 'peer_name' => 'localhost']];
    }
    $m->setFrom('a@bench.test', 'Alice Example');
    $m->Subject = 'benchmark message';
    return $m;
}

function send_part($port, $count, $kind, $file, $ca)
{
    $m = mailer($port, $ca);
    $text = $kind === 'attach' ? "hello\n" : file_get_contents($file);
    for ($i = 0; $i < $count; $i++) {
        $m->clearAddresses();
        $m->clearAttachments();
        $m->addAddress('b@bench.test', 'Bob Example');
        $m->Body = $text;
        if ($kind === 'attach')
            $m->addAttachment($file, 'attachment.bin');
        $m->send();
    }
    $m->smtpClose();
}

// The number of messages of the processes that ended well.
function send_in_processes($count, $connections, ...$what)
{
    [$port, $kind, $file, $ca] = $what;
    $shares = [];
    for ($i = 0; $i < $connections; $i++) {
        $share = intdiv($count, $connections) + ($i < $count % $connections ? 1 : 0);
        $child = pcntl_fork();
        if ($child === 0) {
            send_part($port, $share, $kind, $file, $ca);
            exit(0);
        }
        $shares[$child] = $share;
    }
    $sent = 0;
    foreach ($shares as $child => $share)
        if (pcntl_waitpid($child, $status) === $child && $status === 0)
            $sent += $share;
    return $sent;
}

// Of this process (0) and of those that it waited for (1), as RUSAGE_SELF and _CHILDREN.
function cpu_seconds()
{
    $sum = 0.0;
    foreach ([0, 1] as $who)
        foreach (['utime', 'stime'] as $kind)
            $sum += getrusage($who)["ru_$kind.tv_sec"] + getrusage($who)["ru_$kind.tv_usec"] / 1e6;
    return $sum;
}

ini_set('memory_limit', '4G');
[, $port, $count, $connections, $kind, $file] = $argv;
$ca = $argv[6] ?? null;
new SMTP();     // read and compiled here, not by each process
mailer($port, $ca);
$wanted = $sent = (int)$count;
$began = microtime(true);
$cpu = cpu_seconds();
if ($connections === '1')
    send_part($port, $wanted, $kind, $file, $ca);
else
    $sent = send_in_processes($wanted, (int)$connections, $port, $kind, $file, $ca);
printf("{\"messages\":%d,\"seconds\":%.6f,\"cpu\":%.6f}\n", $sent, microtime(true) - $began,
    cpu_seconds() - $cpu);
exit($sent === $wanted ? 0 : 1);
