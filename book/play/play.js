// The page "Play": a field to type in, and what the student makes of it. Same picture as llmclf.reading.render.
"use strict";

const QUIET_TIME = 120; // milliseconds without a key before a text is read
const SPEAKING_TIME = 1000; // milliseconds without a new result before a screen reader is told
const SVG = "http://www.w3.org/2000/svg";
const here = document.currentScript.src;

function load(file) {
  return new Promise((resolve, reject) => {
    const script = document.createElement("script"); // not fetch: this works for a file on the reader's disk, too
    script.src = new URL(file, here);
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

/** Control characters as signs that can be seen. */
function visible(piece) {
  return piece.replace(/[\0-\x1f\x7f]/g, (sign) =>
    sign === "\n" ? "↵\n" : String.fromCharCode(sign === "\x7f" ? 0x2421 : 0x2400 + sign.charCodeAt(0)));
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

function curve(course, name) {
  const step = 432 / Math.max(1, course.length - 1);
  const points = course.map((share, place) => `${course.length > 1 ? 4 + step * place : 220},${44 - 40 * share}`);
  const words = `Probability of ${name} from the first token to the last: begins at ${percent(course[0])}, ` +
    `highest ${percent(Math.max(...course))}, ends at ${percent(course.at(-1))}.`;
  return element("svg", { width: "100%", viewBox: "0 0 440 48", style: "max-height:60px", role: "img", "aria-label": words },
    element("path", { d: "M0 24H440", stroke: "#999", "stroke-dasharray": "3 4" }),
    element("polyline", { points: points.join(" "), fill: "none", stroke: "#0072b2", "stroke-width": 2 }));
}

function build(place, examples) {
  const text = element("textarea", { id: "play-message", rows: 4, maxlength: 10000 });
  const example = element("select", { id: "play-example" }, element("option", { value: "" }, "pick an example"),
    ...Object.entries(examples).map(([name, message]) => element("option", { value: message }, name)));
  const threshold = element("input", { id: "play-threshold", type: "range", min: 1, max: 99, value: 50 });
  const limit = element("output", { for: "play-threshold" }, "50 %");
  const result = element("div", { id: "play-result" });
  const spoken = element("p", { role: "status", class: "play-spoken" }); // stays; only its words change
  place.replaceChildren(
    element("p", {}, element("label", { for: "play-example" }, "Example "), example),
    element("p", {}, element("label", { for: "play-message" }, "Message"), text),
    element("p", {}, element("label", { for: "play-threshold" }, "Call it spam from "), threshold, " ", limit),
    result, spoken,
    element("p", { class: "play-measured" }, "Measured on the test set, by the cells below:",
      ...STUDENT.measured.flatMap((line) => [element("br"), line])));
  place.insertAdjacentHTML("beforeend", STUDENT.why); // our own words
  return { text, example, threshold, limit, result, spoken };
}

async function play(place) {
  place.replaceChildren(element("p", {}, "Loading the classifier …"));
  try {
    await Promise.all([load("gpt2.js"), load("student.js")]);
  } catch (error) {
    place.replaceChildren(element("p", { role: "alert" },
      `The classifier cannot be used here: ${error.message}. The examples below were read beforehand. ` +
      "Build the book with “make book”, or serve its whole folder, to get the rest."));
    return;
  }
  const classifier = new StudentClassifier(STUDENT.file);
  const spam = classifier.names.length - 1, name = classifier.names[spam], other = classifier.names[0];
  const { text, example, threshold, limit, result, spoken } = build(place, STUDENT.examples);
  let reading = null, turn = 0, waiting, speaking;

  function show() {
    const course = reading.probabilities.map((row) => row[spam]), share = course.at(-1);
    const verdict = share >= threshold.value / 100 ? name : other;
    const cut = reading.leftOut
      ? ` The last ${reading.leftOut.toLocaleString("en")} tokens were not read: the text is too long.` : "";
    const rest = `: probability of ${name} ${percent(share)}, threshold ${threshold.value} %.${cut}`;
    limit.textContent = `${threshold.value} %`;
    result.replaceChildren(
      element("p", { class: "play-verdict" }, element("strong", {}, verdict), rest),
      bar(share, threshold.value / 100), shaded(reading.pieces, course), curve(course, name));
    clearTimeout(speaking);
    speaking = setTimeout(() => { spoken.textContent = verdict + rest; }, SPEAKING_TIME);
  }

  async function read() {
    const mine = ++turn;
    const found = await classifier.read(text.value, () => mine === turn);
    if (found === null) return; // another text is being read
    reading = found;
    show();
  }

  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(read, QUIET_TIME);
  });
  example.addEventListener("change", () => {
    if (example.value) text.value = example.value;
    read();
  });
  threshold.addEventListener("input", show);
  text.value = Object.values(STUDENT.examples)[0];
  await read();
}

play(document.getElementById("play"));
