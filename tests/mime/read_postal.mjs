// SPDX-License-Identifier: MIT
// tests/mime/read_postal.mjs - node read_postal.mjs NODE_MODULES < messages > what postal-mime reads
//
// In: one message a line, base64.  Out: one line of JSON each, as test_other_readers.py wants it.
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

const folder = process.argv[2] + '/postal-mime/dist/esm/';
const { default: PostalMime, decodeWords } = await import(pathToFileURL(folder + 'postal-mime.js'));

const boxes = list => (list || []).flatMap(a => a.group || [a]).map(a => [a.name, a.address]);

for await (const line of createInterface({ input: process.stdin })) {
    const m = await PostalMime.parse(Buffer.from(line, 'base64'), { attachmentEncoding: 'base64' });
    const words = m.headers.find(h => h.key === 'x-words');
    console.log(JSON.stringify({
        'from': boxes(m.from && [m.from]), 'to': boxes(m.to), 'cc': boxes(m.cc), 'reply-to': boxes(m.replyTo),
        'subject': m.subject || '', 'header': words ? decodeWords(words.value) : '',
        'text': m.text || '', 'html': m.html || '',
        'parts': m.attachments.map(a => ({
            type: a.mimeType, disposition: a.disposition, name: a.filename, data: a.content })),
    }));
}
