// SPDX-License-Identifier: MIT
// tests/mime/read_mailparser.js - node read_mailparser.js NODE_MODULES < messages > what mailparser reads
//
// In: one message a line, base64.  Out: one line of JSON each, as test_other_readers.py wants it.
'use strict';
const readline = require('readline');
const { simpleParser } = require(process.argv[2] + '/mailparser');
const libmime = require(process.argv[2] + '/libmime'); // mailparser leaves unknown fields to it

const boxes = field => (field ? field.value : []).flatMap(a => a.group || [a]).map(a => [a.name, a.address]);

(async () => {
    for await (const line of readline.createInterface({ input: process.stdin })) {
        const m = await simpleParser(Buffer.from(line, 'base64'), {
            skipImageLinks: true, skipTextToHtml: true, skipTextLinks: true, skipHtmlToText: true });
        console.log(JSON.stringify({
            'from': boxes(m.from), 'to': boxes(m.to), 'cc': boxes(m.cc), 'reply-to': boxes(m.replyTo),
            'subject': m.subject || '', 'header': libmime.decodeWords(m.headers.get('x-words') || ''),
            'text': m.text || '', 'html': m.html || '',
            'parts': m.attachments.map(a => ({
                type: a.contentType, disposition: a.contentDisposition || null, name: a.filename || null,
                data: a.content.toString('base64') })),
        }));
    }
})();
