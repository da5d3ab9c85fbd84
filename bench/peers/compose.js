// SPDX-License-Identifier: MIT
// compose.js - nodemailer's MailComposer, to a buffer that nobody gets
//
//     node compose.js COUNT FILE
'use strict';
const fs = require('fs');
const MailComposer = require('nodemailer/lib/mail-composer');

const [count, path] = process.argv.slice(2);
const text = fs.readFileSync(path).toString();

async function main() {
    const began = process.hrtime.bigint(), cpu = process.cpuUsage();
    let octets = 0;
    for (let i = 0; i < Number(count); i++)
        octets += (await new MailComposer({ from: 'Ann Example <ann@example.com>',
            to: 'Bob <bob@example.org>', subject: 'The report of this week',
            headers: { 'X-Campaign': '42' }, text }).compile().build()).length;
    const used = process.cpuUsage(cpu);
    console.log(JSON.stringify({ messages: Number(count), octets,
        seconds: Number(process.hrtime.bigint() - began) / 1e9,
        cpu: (used.user + used.system) / 1e6 }));
}

main();
