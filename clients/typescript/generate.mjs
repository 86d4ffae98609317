// Write src/schema.ts from the description of the API; with --check, say whether it differs.
// Responses that are no success are left out: the client throws each as a Problem.
import { readFileSync, writeFileSync } from 'node:fs';
import openapiTS, { astToString } from 'openapi-typescript';

const TARGET = new URL('src/schema.ts', import.meta.url);
const HEAD = '// Generated from the description by generate.mjs; not to be edited.\n\n';
const description = JSON.parse(readFileSync(new URL('../../config/api/openapi.json', import.meta.url), 'utf8'));
for (const methods of Object.values(description.paths)) {
  for (const operation of Object.values(methods)) {
    const successes = Object.entries(operation.responses).filter(([status]) => status.startsWith('2'));
    operation.responses = Object.fromEntries(successes.map(([status, { headers, ...it }]) => [status, it]));
  }
}
const text = HEAD + astToString(await openapiTS(description, { alphabetize: true }));
if (process.argv.includes('--check')) {
  if (readFileSync(TARGET, 'utf8') !== text) {
    console.error('src/schema.ts differs from the description: run make clients');
    process.exit(1);
  }
} else {
  writeFileSync(TARGET, text);
}
