// SPDX-License-Identifier: MIT
// tests/dkim/mailauth_check.js - node mailauth_check.js NODE_MODULES < JSON lines > JSON lines
//
// In:  {"message": base64, "records": {name: text}}      out: [result of each signature]
//      {"message": base64, "sign": [{...}]}              out: the DKIM-Signature fields
// The resolver answers from records alone: no network.
'use strict';
const readline = require('readline');
const folder = process.argv[2] + '/mailauth/lib/dkim/';
const { dkimVerify } = require(folder + 'verify');
const { dkimSign } = require(folder + 'sign');

async function verify(job) {
    const resolver = async (name, type) => {
        const text = job.records[name];
        if (type === 'TXT' && text !== undefined) return [[text]];
        throw Object.assign(new Error('no such name'), { code: 'ENOTFOUND' });
    };
    const done = await dkimVerify(Buffer.from(job.message, 'base64'), { resolver, minBitLength: 1024 });
    return done.results.map(r => r.status.result + (r.status.comment ? ': ' + r.status.comment : ''));
}

async function sign(job) {
    const done = await dkimSign(Buffer.from(job.message, 'base64'), {
        canonicalization: job.canon, signTime: new Date(1700000000000), signatureData: job.sign });
    return done.signatures;
}

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const job = JSON.parse(line);
        console.log(JSON.stringify(job.sign ? await sign(job) : await verify(job)));
    }
})();
