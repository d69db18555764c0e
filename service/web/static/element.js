// Makes elements. Text goes in as text, never as markup: Trusted Types forbid the rest.

const SVG = "http://www.w3.org/2000/svg";

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) {
      node.setAttribute(name, value);
    }
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

/** `h("p.note", {role: "status"}, "text")`: a tag with classes, attributes, children. */
export function h(name, attributes = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const node = document.createElement(tag);
  if (classes.length > 0) node.className = classes.join(" ");
  return fill(node, attributes, children);
}

/** The same for a drawing. */
export function drawn(tag, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

/** An SVG text as a picture: a picture runs no script, whoever wrote it. */
export function pictureOf(svg, words) {
  const source = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(svg)}`;
  return h("img", { src: source, alt: words, draggable: "false" });
}

/** A button that runs one thing at a time and cannot be hit twice while it runs. */
export function button(name, words, act) {
  const node = h(name, { type: "button" }, words);
  let running = false;
  node.addEventListener("click", async () => {
    if (running || node.getAttribute("aria-disabled") === "true") return;
    running = true;
    node.setAttribute("aria-busy", "true");
    try {
      await act();
    } finally {
      running = false;
      node.removeAttribute("aria-busy");
    }
  });
  return node;
}

/** Greyed and without effect, yet still reachable by keyboard and reader. */
export function setDisabled(node, disabled) {
  if (disabled) node.setAttribute("aria-disabled", "true");
  else node.removeAttribute("aria-disabled");
}
