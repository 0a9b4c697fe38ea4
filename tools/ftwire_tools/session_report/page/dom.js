"use strict";
// One name for everything in this page. Texts of a capture reach the document as text only: there is no other way
// in here, and the page's policy (trusted types) refuses any.
const ftwire = {};

// Make an element. Of attributes, "on…" are listeners, "class" is the class, and false, null and undefined are none.
ftwire.h = (tag, attributes = {}, ...children) => {
  const names = tag.startsWith("svg:") ? "http://www.w3.org/2000/svg" : null;
  const element = names ? document.createElementNS(names, tag.slice(4)) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (name === "style") for (const [key, text] of Object.entries(value)) element.style.setProperty(key, text);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return element;
};

// Let the user save what a blob holds.
ftwire.download = (blob, name) => {
  const address = URL.createObjectURL(blob);
  ftwire.h("a", { href: address, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(address), 60_000);
};
