// The QR symbol of a code as SVG text: level M, letters of the alphanumeric mode only.

import { correction, generate, mode } from "lean-qr";

const MARGIN = 4;

/** `{svg, modules}`, black with a margin of four modules, to be put on white; a RangeError for a text outside QR's alphanumeric set. */
export function symbolOf(text) {
  if (!/^[0-9A-Z $%*+\-./:]+$/.test(text)) throw new RangeError("not an alphanumeric text");
  const symbol = generate(mode.alphaNumeric(text), {
    minCorrectionLevel: correction.M, maxCorrectionLevel: correction.M,
  });
  const width = symbol.size + 2 * MARGIN;
  let path = "";
  for (let y = 0; y < symbol.size; y += 1) {
    for (let x = 0; x < symbol.size; x += 1) {
      if (!symbol.get(x, y)) continue;
      let end = x + 1;
      while (end < symbol.size && symbol.get(end, y)) end += 1;
      path += `M${x + MARGIN} ${y + MARGIN}h${end - x}v1H${x + MARGIN}z`;
      x = end;
    }
  }
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${width}" `
    + `shape-rendering="crispEdges"><path d="${path}"/></svg>`;
  return { svg, modules: symbol.size };
}
