// The server's table of figures, asked for once: what each is called, and its unit.

import { getJson } from "./server.js";
import { addFigures, figureNames } from "./words.js";

let asked = null;

async function ask() {
  try {
    const { figures } = await getJson("api/figures", { timeout: 15 });
    addFigures(figures);
    return figures.filter(({ history }) => history).map(({ name }) => name);
  } catch (error) {
    asked = null; // asked again by the next view
    return figureNames();
  }
}

/** The names of all figures of which the server keeps a history. */
export function historyNames() {
  asked = asked || ask();
  return asked;
}
