// Measures how fast jsforce decodes a query's answer alone, as main.go does for others: node jsforce.mjs FOLDER. It takes jsforce from the folder
// node_modules of the working directory.
import { createRequire } from 'node:module';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';

const jsforce = createRequire(join(process.cwd(), 'package.json'))('jsforce');
const pages = [];
for (let i = 0; existsSync(join(process.argv[2], `${i}.json`)); i++) {
  pages.push(readFileSync(join(process.argv[2], `${i}.json`)));
}

const connection = new jsforce.Connection({ instanceUrl: 'https://acme.my.salesforce.com', accessToken: 'token', version: '67.0' });
let next = 0;
connection._transport = {
  httpRequest() {
    const answer = Promise.resolve({ statusCode: 200, headers: { 'content-type': 'application/json;charset=UTF-8' }, body: pages[next++].toString('utf8') });
    answer.stream = () => new PassThrough();
    return answer;
  },
};

const began = process.hrtime.bigint();
let rows = 0;
let answer = await connection.query('SELECT Id FROM Lead', { autoFetch: false });
for (;;) {
  rows += answer.records.length;
  if (answer.done) break;
  answer = await connection.queryMore(answer.nextRecordsUrl, { autoFetch: false });
}
console.log(`jsforce\t${Math.round(rows / (Number(process.hrtime.bigint() - began) / 1e9))}`);
