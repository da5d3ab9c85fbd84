// SPDX-License-Identifier: MIT
// nodemailer.js - nodemailer as a client: its pool
//
//     node nodemailer.js PORT COUNT CONNECTIONS raw|compose|attach FILE [CA]
'use strict';
const fs = require('fs');
const nodemailer = require('nodemailer');

const [port, count, connections, kind, path, ca] = process.argv.slice(2);
const wanted = Number(count);
const transport = nodemailer.createTransport({
    host: '127.0.0.1', port: Number(port), name: 'bench.test', secure: Boolean(ca), ignoreTLS: !ca,
    tls: ca ? { ca: fs.readFileSync(ca), servername: 'localhost' } : undefined,
    pool: true, maxConnections: Number(connections), maxMessages: Infinity,
    connectionTimeout: 60000, greetingTimeout: 60000, socketTimeout: 120000,
});
const octets = kind === 'attach' ? null : fs.readFileSync(path);

function message() {
    if (kind === 'raw')
        return { envelope: { from: 'a@bench.test', to: ['b@bench.test'] }, raw: octets };
    const m = { from: 'Alice Example <a@bench.test>', to: 'Bob Example <b@bench.test>',
        subject: 'benchmark message', text: octets ? octets.toString() : 'hello\n' };
    if (kind === 'attach')
        m.attachments = [{ filename: 'attachment.bin', path }];
    return m;
}

const began = process.hrtime.bigint();
const cpu = process.cpuUsage();
let started = 0, sent = 0, failed = 0;

function finish() {
    const used = process.cpuUsage(cpu);
    transport.close();
    console.log(JSON.stringify({ messages: sent,
        seconds: Number(process.hrtime.bigint() - began) / 1e9,
        cpu: (used.user + used.system) / 1e6 }));
    process.exitCode = sent === wanted ? 0 : 1;
}

function sendNext() {
    started++;
    transport.sendMail(message(), (error) => {
        if (error) {
            failed++;
            console.error(error.message);
        } else
            sent++;
        if (sent + failed === wanted)
            finish();
        else if (started < wanted)
            sendNext();
    });
}

// Twice as many are handed over as there are connections: none waits for this program.
for (let i = 0; i < Math.min(wanted, 2 * connections); i++)
    sendNext();
