#!/usr/bin/env node
// What a program printed on a terminal, as a picture:
//   script -qec './script/demo --slots 3' /dev/null | node tests/docs/terminal.mjs > docs/images/demo.svg
// Takes the text as it stands in the end: lines that were drawn over count once. Long lines are wrapped.
import { readFileSync } from "node:fs";

const WIDTH = 128;
const [title = "./script/demo --slots 3"] = process.argv.slice(2);

// The screen after cursor-up (ESC[nA), erase-line (ESC[2K) and carriage returns; colours are dropped.
function screen(text) {
  const lines = [""];
  let row = 0;
  let column = 0;
  for (const [, count, code, character] of text.replace(/\r\n/g, "\n").matchAll(/\x1b\[(?:(\d*)([A-Za-z]))|([^\x1b])/gs)) {
    if (code === "A") row = Math.max(0, row - Number(count || 1));
    else if (code === "K") (lines[row] = count === "2" ? "" : lines[row].slice(0, column));
    else if (character === "\n") (lines[++row] ??= ""), (column = 0);
    else if (character === "\r") column = 0;
    else if (character) (lines[row] = lines[row].slice(0, column).padEnd(column) + character + lines[row].slice(column + 1)), column++;
  }
  return lines.map(line => line.trimEnd());
}

function wrapped(line) {
  const parts = [];
  while (line.length > WIDTH) {
    const at = line.lastIndexOf(" ", WIDTH);
    parts.push(line.slice(0, at));
    line = "  " + line.slice(at + 1);
  }
  return [...parts, line];
}

const escape = text => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
const colour = line =>
  line.startsWith("$ ") ? "#7ee787" : /^(slot|prover) /.test(line) ? "#79c0ff" : /rescued|missed/.test(line) ? "#ffa657" : "#e6edf3";

const drawn = screen(readFileSync(0, "utf8")).flatMap(wrapped);
const lines = [`$ ${title}`, ...drawn.filter((line, i) => !line || line !== drawn[i - 1])];
while (lines.at(-1) === "") lines.pop();
const [cell, height, margin] = [7.25, 17, 14];
const [width, full] = [Math.ceil(WIDTH * cell + 2 * margin), lines.length * height + 2 * margin];
console.log(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${full}" role="img" aria-label="${escape(title)}">
<rect width="${width}" height="${full}" rx="8" fill="#0d1117"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="12" xml:space="preserve">`);
lines.forEach((line, i) => {
  if (line) console.log(`<text x="${margin}" y="${margin + 12 + i * height}" fill="${colour(line)}" xml:space="preserve">${escape(line)}</text>`);
});
console.log("</g>\n</svg>");
