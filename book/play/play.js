// The page "Play": a field to type in, and what the student makes of it. Same picture as llmclf.reading.render.
"use strict";

const QUIET_TIME = 120; // milliseconds without a key before a text is read
const SPEAKING_TIME = 1000; // milliseconds without a new result before a screen reader is told
const SVG = "http://www.w3.org/2000/svg";
const SIGNS = /[\0-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g; // as in llmclf.reading
const here = document.currentScript;

function load(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script"); // not fetch: this works for a file on the reader's disk, too
    script.src = new URL(`${file}?v=${here.dataset.version}`, here.src); // the script and the student of one edition
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${file} could not be loaded`));
    document.head.append(script);
  });
}

/** An element. Words go in as text nodes: nothing that a reader types can become markup. */
function element(name, attributes = {}, ...content) {
  const made = /^(svg|rect|path|polyline)$/.test(name) ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function percent(share) {
  if (share > 0.999) return "over 99.9 %";
  return share < 0.001 ? "under 0.1 %" : `${(100 * share).toFixed(1)} %`;
}

/** What would be invisible, or turn the text round, as signs that can be seen. */
function visible(piece) {
  return piece.replace(SIGNS, (sign) => {
    const number = sign.charCodeAt(0);
    if (sign === "\n") return "↵\n";
    if (number < 32) return String.fromCharCode(0x2400 + number);
    return sign === "\x7f" ? "\u2421" : `[U+${number.toString(16).toUpperCase().padStart(4, "0")}]`;
  });
}

function bar(share, threshold) {
  return element("svg", { width: "100%", viewBox: "0 0 440 16", height: 16, preserveAspectRatio: "none", "aria-hidden": "true" },
    element("rect", { width: 440, height: 16, fill: "#e6e6e6" }),
    element("rect", { width: 440 * share, height: 16, fill: "#d55e00" }),
    element("path", { d: `M${440 * threshold} 0V16`, stroke: "#000", "stroke-width": 2 }));
}

/** The text, each piece on a ground that tells how it moved the probability, with a sign where it moved much. */
function shaded(pieces, course) {
  const paragraph = element("p", { dir: "auto", class: "play-text" });
  pieces.forEach((piece, place) => {
    const move = place ? course[place] - course[place - 1] : 0;
    const ground = `rgba(${move > 0 ? "213,94,0" : "0,114,178"},${Math.min(0.6, Math.abs(move)).toFixed(2)})`;
    paragraph.append(element("span", { style: `background:${ground}`, title: percent(course[place]) }, visible(piece)));
    if (Math.abs(move) >= 0.1) paragraph.append(element("sup", {}, move > 0 ? "▲" : "▼"));
  });
  return paragraph;
}

function curve(course, name, threshold) {
  const level = course.length > 1 ? course : [course[0], course[0]], thin = { "vector-effect": "non-scaling-stroke" };
  const points = level.map((share, place) => `${4 + (432 * place) / (level.length - 1)},${44 - 40 * share}`);
  const words = `Probability of ${name} from the first token to the last: begins at ${percent(course[0])}, ` +
    `highest ${percent(Math.max(...course))}, ends at ${percent(course.at(-1))}.`;
  const shape = { width: "100%", height: 48, viewBox: "0 0 440 48", preserveAspectRatio: "none" };
  return element("svg", { ...shape, role: "img", "aria-label": words, class: "play-curve" },
    element("path", { d: `M0 ${44 - 40 * threshold}H440`, stroke: "#767676", "stroke-dasharray": "3 4", ...thin }),
    element("polyline", { points: points.join(" "), fill: "none", stroke: "#0072b2", "stroke-width": 2, ...thin }));
}

/** The same in numbers. */
function tokenRows(pieces, course) {
  return pieces.map((piece, place) => {
    const move = place ? 100 * (course[place] - course[place - 1]) : null;
    const token = piece.trim() ? visible(piece) : "(space)";
    return element("tr", {}, element("th", { scope: "row" }, token), element("td", {}, percent(course[place])),
      element("td", {}, move === null ? "" : `${move < 0 ? "−" : "+"}${Math.abs(move).toFixed(1)}`));
  });
}

function build(place, name, { examples, measured, why }) {
  const text = element("textarea", { id: "play-message", rows: 4, maxlength: 10000 });
  const example = element("select", { id: "play-example" }, element("option", { value: "" }, "pick an example"),
    ...Object.entries(examples).map(([name, message]) => element("option", { value: message }, name)));
  const threshold = element("input", { id: "play-threshold", type: "range", min: 1, max: 99, value: 50 });
  const limit = element("span", {}, "50 %");
  const result = element("div", { id: "play-result" });
  const rows = element("tbody");
  const heads = ["token", `${name} so far`, "moved by, points"].map((word) => element("th", { scope: "col" }, word));
  const spoken = element("p", { role: "status", class: "play-spoken" }); // stays; only its words change
  place.replaceChildren(
    element("p", {}, element("label", { for: "play-example" }, "Example "), example),
    element("p", {}, element("label", { for: "play-message" }, "Message (up to 10,000 characters)"), text),
    element("p", {}, element("label", { for: "play-threshold" }, `Call it ${name} from`), threshold, " ", limit),
    result, spoken,
    element("details", {}, element("summary", {}, "Token by token, in numbers"),
      element("table", {}, element("thead", {}, element("tr", {}, ...heads)), rows)),
    element("p", { class: "play-measured" }, "Measured on the test set, by the cells below:",
      ...measured.flatMap((line) => [element("br"), line])));
  place.insertAdjacentHTML("beforeend", why); // our own words
  return { text, example, threshold, limit, result, rows, spoken };
}

/** What stands in the place of the field where it cannot work. */
function excuse(place, error) {
  place.replaceChildren(element("p", { role: "alert" },
    `The classifier cannot be used here: ${error.message}. The examples below were read beforehand. ` +
    "Build the book with “make book”, or serve its whole folder, to get the rest."));
}

async function play(place) {
  place.replaceChildren(element("p", {}, "Loading the classifier …"));
  await Promise.all([load("gpt2.js"), load("student.js")]);
  const classifier = new StudentClassifier(STUDENT.file);
  const index = classifier.names.length - 1, name = classifier.names[index];
  const other = classifier.names.length === 2 ? classifier.names[0] : `not ${name}`;
  const { text, example, threshold, limit, result, rows, spoken } = build(place, name, STUDENT);
  let reading = null, waiting, speaking;

  function show() {
    limit.textContent = `${threshold.value} %`;
    threshold.setAttribute("aria-valuetext", limit.textContent);
    const course = reading.probabilities.map((row) => row[index]), share = course.at(-1);
    const verdict = share >= threshold.value / 100 ? name : other;
    const cut = reading.leftOut
      ? ` The last ${reading.leftOut.toLocaleString("en")} tokens were not read: the text is too long.` : "";
    const rest = `: probability of ${name} ${percent(share)}, threshold ${threshold.value} %.${cut}`;
    result.replaceChildren(
      element("p", { class: "play-verdict" }, element("strong", {}, verdict), rest),
      bar(share, threshold.value / 100), shaded(reading.pieces, course), curve(course, name, threshold.value / 100));
    rows.replaceChildren(...tokenRows(reading.pieces, course));
    clearTimeout(speaking);
    speaking = setTimeout(() => { spoken.textContent = verdict + rest; }, SPEAKING_TIME);
  }

  async function read() {
    const found = await classifier.read(text.value);
    if (found === null) return; // another text is being read
    reading = found;
    show();
  }

  text.value = Object.values(STUDENT.examples)[0];
  await read();
  clearTimeout(speaking); // nobody has asked yet
  text.addEventListener("input", () => {
    example.value = "";
    clearTimeout(waiting);
    waiting = setTimeout(read, QUIET_TIME);
  });
  example.addEventListener("change", () => {
    if (!example.value) return;
    text.value = example.value;
    read();
  });
  threshold.addEventListener("input", show);
}

const place = document.getElementById("play");
play(place).catch((error) => excuse(place, error));
