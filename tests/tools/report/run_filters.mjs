// Runs filters of a report's page in node: reads the page, and for each expression on standard input, a JSON list,
// prints the numbers of the frames that match, or what is wrong and where.
import { readFileSync } from "node:fs";
import { runInThisContext } from "node:vm";

const [, , path, ...scripts] = process.argv;
const page = readFileSync(path, "utf8");
const expressions = JSON.parse(readFileSync(0, "utf8"));
// Of a browser's document the scripts need what the page carries.
const carried = (id) => new RegExp(`id="${id}">([^<]*)</script>`).exec(page)[1];
globalThis.document = { getElementById: (id) => ({ textContent: carried(id) }) };
runInThisContext(scripts.map((script) => readFileSync(script, "utf8")).join("\n") + "\nglobalThis.ftwire = ftwire;");
const { ftwire } = globalThis;

const data = await ftwire.load();
const filters = new ftwire.Filters(data);
const found = [];
for (const expression of expressions) {
  try {
    const { test, needsBody } = filters.compile(expression);
    const numbers = [];
    for (let row = 0; row < data.table.rows; row++) {
      const chunk = needsBody ? await data.bodies.open(row) : null;
      const body = (at) => {
        const { json } = ftwire.Bodies.of(chunk, at);
        return json === null ? null : JSON.parse(json);
      };
      if (test(row, body)) numbers.push(data.table.column("number")[row]);
    }
    found.push({ numbers, needsBody });
  } catch (error) {
    if (!(error instanceof ftwire.FilterError)) throw error;
    found.push({ problem: error.problem, at: error.at });
  }
}
process.stdout.write(JSON.stringify(found));
