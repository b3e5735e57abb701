// The page "Play": a field to type in, and what the student makes of it. Same picture as llmclf.interactive.render.
"use strict";

const QUIET_TIME = 120; // milliseconds without a key before a text is read
const SPEAKING_TIME = 1000; // milliseconds without a new result before a screen reader is told
const STAYING_TIME = 2500; // milliseconds before a text counts as one of this visit
const STRONGEST = 3; // moves that get an arrow, where they are ten percentage points or more
const SVG = "http://www.w3.org/2000/svg";
const SIGNS = /[\0-\x1f\x7f\u200b\u200e\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g; // as in llmclf.interactive
const NOTHING = "Type something: an empty message says nothing.";
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

/** The student's file, which comes compressed. */
async function unpack() {
  const letters = atob(STUDENT.file.join("")), packed = Uint8Array.from(letters, (letter) => letter.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

/** The file comes in parts, so that the reader sees it coming. */
async function loadStudent(tell) {
  await Promise.all([load("gpt2.js"), load("student.js")]);
  let loaded = 0;
  const part = async (number) => {
    await load(`student-${number}.js`);
    tell(++loaded / STUDENT.parts);
  };
  await Promise.all(Array.from({ length: STUDENT.parts }, (_, number) => part(number)));
  return new StudentClassifier(await unpack());
}

/** An element. Words go in as text nodes: nothing that a reader types can become markup. */
function element(name, attributes = {}, ...content) {
  const drawn = /^(svg|rect|path|polyline|circle)$/.test(name);
  const made = drawn ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...content);
  return made;
}

function button(words, title, work) {
  const made = element("button", { type: "button", title }, words);
  made.addEventListener("click", work);
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

const movesOf = (course) => course.map((share, place) => (place ? share - course[place - 1] : 0));

/** Behind which pieces an arrow stands, and which: of the strongest moves, at the end of the word. */
function arrows(pieces, moves) {
  const found = new Map();
  const order = moves.map((_, place) => place).sort((one, other) => Math.abs(moves[other]) - Math.abs(moves[one]));
  for (let place of order.slice(0, STRONGEST)) {
    if (Math.abs(moves[place]) < 0.1) continue;
    const sign = moves[place] > 0 ? "▲" : "▼";
    while (place + 1 < pieces.length && /^[\p{L}\p{N}]/u.test(pieces[place + 1])) place++;
    found.set(place, sign);
  }
  return found;
}

/** The text, each piece on a ground that tells how it moved the probability. */
function shaded(pieces, course) {
  const paragraph = element("p", { dir: "auto", class: "play-text" }), moves = movesOf(course);
  const signs = arrows(pieces, moves);
  pieces.forEach((piece, place) => {
    const ground = `rgba(${moves[place] > 0 ? "213,94,0" : "0,114,178"},${Math.min(0.6, Math.abs(moves[place])).toFixed(2)})`;
    const style = `background:${ground}`, title = percent(course[place]);
    paragraph.append(element("span", { style, title, "data-place": place }, visible(piece)));
    if (signs.has(place)) paragraph.append(element("sup", {}, signs.get(place)));
  });
  return paragraph;
}

/** Probability after each token. A slider: arrow keys, the mouse or a finger choose the token. */
function curve(course, name, threshold) {
  const level = course.length > 1 ? course : [course[0], course[0]], thin = { "vector-effect": "non-scaling-stroke" };
  const points = level.map((share, place) => `${(440 * place) / (level.length - 1)},${100 - 100 * share}`);
  const shape = { viewBox: "0 0 440 100", preserveAspectRatio: "none", "aria-hidden": "true" };
  const mark = element("path", { stroke: "currentColor", "stroke-width": 1.5, ...thin });
  const lines = [0, 50, 100].map((height) => element("path", { d: `M0 ${height}H440`, class: "play-grid", ...thin }));
  const drawing = element("svg", shape, ...lines,
    element("path", { d: `M0 ${100 - 100 * threshold}H440`, class: "play-limit", ...thin }),
    element("polyline", { points: points.join(" "), class: "play-line", ...thin }), mark);
  const axis = element("div", { class: "play-axis", "aria-hidden": "true" },
    ...["100 %", "50 %", "0 %"].map((words) => element("span", {}, words)));
  const words = `Probability of ${name} from the first token to the last: begins at ${percent(course[0])}, ` +
    `highest ${percent(Math.max(...course))}, ends at ${percent(course.at(-1))}.`;
  const box = element("div", { class: "play-curve", role: "slider", tabindex: 0, "aria-label": words,
    "aria-valuemin": 1, "aria-valuemax": course.length }, axis, drawing);
  const move = (place) => mark.setAttribute("d", `M${(440 * place) / (level.length - 1)} 0V100`);
  return { box, drawing, move };
}

/** The same in numbers. */
function tokenRows(pieces, course) {
  const moves = movesOf(course);
  return pieces.map((piece, place) => {
    const token = piece.trim() ? visible(piece) : "(space)", points = 100 * moves[place];
    return element("tr", {}, element("th", { scope: "row" }, token), element("td", {}, percent(course[place])),
      element("td", {}, place ? `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}` : ""));
  });
}

/** The stage. It stands at once; the classifier comes later. */
class Stage {
  constructor(place) {
    this.text = element("textarea", { id: "play-message", rows: 3, maxlength: 10000, dir: "auto" });
    this.chips = element("div", { class: "play-chips", role: "group", "aria-label": "Examples" });
    this.progress = element("progress", { max: 1, value: 0, "aria-label": "Loading the classifier" });
    this.result = element("div", { id: "play-result" });
    this.verdict = element("p", { class: "play-verdict" }, "Loading the classifier … ", this.progress);
    this.threshold = element("input", { id: "play-threshold", type: "range", min: 1, max: 99, value: 50 });
    this.fill = element("div", { class: "play-fill" });
    this.limit = element("span");
    this.spoken = element("p", { role: "status", class: "play-spoken" }); // stays; only its words change
    this.now = element("p", { class: "play-now" });
    this.rows = element("tbody");
    this.visit = element("ol", { class: "play-visit" });
    this.undo = button("undo", "The text before this one", () => this.back());
    this.link = button("copy link", "A link to this page that carries text and threshold", () => this.copy());
    const tools = element("p", { class: "play-tools" }, button("clear", "Empty the field", () => this.put("")), this.undo,
      this.link);
    this.bar = element("div", { class: "play-bar" }, this.fill, this.threshold);
    this.past = [];
    place.replaceChildren(this.chips,
      element("label", { for: "play-message" }, "Message (up to 10,000 characters)"), this.text, this.verdict,
      this.bar, element("label", { for: "play-threshold", class: "play-legend" }, "Threshold: ", this.limit),
      tools, this.result, this.now, this.spoken);
    this.place = place;
  }

  /** What the student brings along: examples, what was measured, and its answers. */
  fillIn({ examples, measured, why }, name) {
    for (const [words, message] of Object.entries(examples))
      this.chips.append(button(words, message, () => this.put(message)));
    const heads = ["token", `${name} so far`, "moved by, points"].map((word) => element("th", { scope: "col" }, word));
    this.place.append(
      element("p", { class: "play-legend" }, "Can you fool it? Write a harmless message of at most five words that it calls ",
        element("em", {}, name), ", or an advertisement that passes. Some of the examples fool it, too."),
      element("details", {}, element("summary", {}, "Your visit"), this.visit),
      element("details", {}, element("summary", {}, "Token by token, in numbers"),
        element("table", {}, element("thead", {}, element("tr", {}, ...heads)), this.rows)),
      element("details", {}, element("summary", {}, "How good is it?"),
        element("p", { class: "play-measured" }, "Measured on the test set, by the cells below. The student is the model in this page, its teacher the large one " +
            "of chapter 6, and TF-IDF a simpler method that counts words:",
          ...measured.flatMap((line) => [element("br"), line]))));
    this.place.insertAdjacentHTML("beforeend", why); // our own words
  }

  /** Another text, from a button. */
  put(text) {
    if (this.text.value !== text) this.past.push(this.text.value);
    this.exchange(text);
  }

  exchange(text) {
    this.text.value = text;
    this.text.dispatchEvent(new Event("input"));
    this.showVerdict();
  }

  /** On a small screen, or above a phone's keyboard, the verdict may stand outside. */
  showVerdict() {
    const { top } = this.text.getBoundingClientRect(), { bottom } = this.bar.getBoundingClientRect();
    if (top < 0 || bottom > (window.visualViewport?.height ?? innerHeight)) this.text.scrollIntoView({ block: "start" });
  }

  back() {
    if (this.past.length) this.exchange(this.past.pop());
  }

  async copy() {
    location.hash = `text=${encodeURIComponent(this.text.value)}&threshold=${this.threshold.value}`; // a fragment is never sent to a server
    try {
      await navigator.clipboard.writeText(location.href);
      this.tell("The link is in the clipboard.");
    } catch {
      this.tell("The link is in the address bar.");
    }
  }

  /** In words, and on the button for a moment. */
  tell(words) {
    this.spoken.textContent = this.link.textContent = words;
    setTimeout(() => { this.link.textContent = "copy link"; }, STAYING_TIME);
  }

  remember(words) {
    const text = this.text.value;
    if (!text.trim() || this.visit.firstChild?.dataset.text === text) return;
    const item = element("li", {}, button(text.length > 60 ? `${text.slice(0, 60)} …` : text, text, () => this.put(text)),
      ` ${words}`);
    item.dataset.text = text;
    this.visit.prepend(item);
  }
}

/** What stands in the place of the field where it cannot work. */
function excuse(place, error) {
  place.replaceChildren(element("p", { role: "alert" },
    `The classifier cannot be used here: ${error.message}. The examples below were read beforehand. ` +
    "Build the book with “make book”, or serve its whole folder, to get the rest."));
}

const inAddress = (name) => new URLSearchParams(location.hash.slice(1)).get(name);

async function play(place) {
  const stage = new Stage(place), { text, threshold, result } = stage;
  const classifier = await loadStudent((share) => { stage.progress.value = share; });
  const index = classifier.names.length - 1, name = classifier.names[index];
  const other = classifier.names.length === 2 ? classifier.names[0] : `not ${name}`;
  stage.fillIn(STUDENT, name);
  let reading = null, waiting, speaking, staying;

  function show() {
    const limit = threshold.value / 100, course = reading.probabilities.map((row) => row[index]), share = course.at(-1);
    stage.limit.textContent = `call it ${name} from ${threshold.value} %`;
    threshold.setAttribute("aria-valuetext", `${threshold.value} %`);
    const isEmpty = !reading.text.trim(), called = share >= limit;
    const cut = reading.leftOut
      ? ` The last ${reading.leftOut.toLocaleString("en")} tokens were not read: the text is too long.` : "";
    const verdict = isEmpty ? "" : called ? name : other;
    const rest = isEmpty ? NOTHING : `: probability of ${name} ${percent(share)}, threshold ${threshold.value} %.${cut}`;
    stage.verdict.replaceChildren(element("strong", { class: called ? "play-called" : "play-passed" }, verdict), rest);
    stage.fill.style.width = `${isEmpty ? 0 : 100 * share}%`;
    result.replaceChildren();
    stage.now.textContent = "";
    if (!isEmpty) picture(course, limit);
    stage.rows.replaceChildren(...(isEmpty ? [] : tokenRows(reading.pieces, course)));
    clearTimeout(speaking);
    clearTimeout(staying);
    speaking = setTimeout(() => { stage.spoken.textContent = verdict + rest; }, SPEAKING_TIME);
    staying = setTimeout(() => stage.remember(`${verdict}, ${percent(share)}`), STAYING_TIME);
  }

  /** Text, legend and curve, in which the same token is marked. */
  function picture(course, limit) {
    const words = shaded(reading.pieces, course), { box, drawing, move } = curve(course, name, limit), { pieces } = reading;
    let current = course.length - 1;
    const mark = (place) => {
      current = Math.max(0, Math.min(course.length - 1, place));
      words.querySelectorAll(".play-current").forEach((span) => span.classList.remove("play-current"));
      words.querySelector(`[data-place="${current}"]`).classList.add("play-current");
      move(current);
      const told = `after “${visible(pieces[current]).trim() || "(space)"}”: ${percent(course[current])}`;
      box.setAttribute("aria-valuenow", current + 1);
      box.setAttribute("aria-valuetext", told);
      stage.now.textContent = `Token ${current + 1} of ${course.length}, ${told}`;
    };
    const point = (event) => {
      const { left, width } = drawing.getBoundingClientRect();
      mark(Math.round(((event.clientX - left) / width) * (course.length - 1)));
    };
    box.addEventListener("pointermove", point);
    box.addEventListener("pointerdown", point);
    words.addEventListener("pointerover", (event) => {
      if (event.target.dataset.place) mark(Number(event.target.dataset.place));
    });
    box.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1 }[event.key];
      const end = { Home: 0, End: course.length - 1 }[event.key];
      if (step === undefined && end === undefined) return;
      event.preventDefault();
      mark(end ?? current + step);
    });
    const orange = element("span", { class: "play-key play-key-up" }, `towards ${name}`);
    const blue = element("span", { class: "play-key play-key-down" }, `towards ${other}`);
    result.replaceChildren(words, element("p", { class: "play-legend" }, orange, " ", blue), box);
    mark(current);
  }

  async function read() {
    const found = await classifier.read(text.value);
    if (found === null) return; // another text is being read
    reading = found;
    show();
  }

  threshold.value = inAddress("threshold") ?? threshold.value;
  if (!text.value) text.value = inAddress("text") ?? Object.values(STUDENT.examples)[0];
  await read();
  if (inAddress("text") !== null) stage.showVerdict();
  clearTimeout(speaking); // nobody has asked yet
  text.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(read, QUIET_TIME);
  });
  threshold.addEventListener("input", show);
  text.addEventListener("focus", () => stage.showVerdict());
  window.visualViewport?.addEventListener("resize", () => {
    if (document.activeElement === text) stage.showVerdict();
  });
  window.addEventListener("hashchange", () => {
    if (inAddress("text") !== null && inAddress("text") !== text.value) stage.put(inAddress("text"));
  });
}

const place = document.getElementById("play");
play(place).catch((error) => excuse(place, error));
