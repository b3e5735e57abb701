// GPT-2 in plain JavaScript, one token at a time: the arithmetic of llmclf/models/gpt2.py and of the tokenizer under it.
// A text is read from left to right, and what a token has seen never changes. So keys and values are kept, and when the
// text changes, reading goes on from the first token that is another.
"use strict";

/** The tensors and the record of a safetensors file; matrices of whole numbers become floats again. */
function readSafetensors(file) {
  const view = new DataView(file.buffer, file.byteOffset);
  const headerSize = Number(view.getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + headerSize)));
  const record = JSON.parse(header.__metadata__.llmclf);
  delete header.__metadata__;
  const raw = {};
  for (const [name, { dtype, data_offsets: [start, stop] }] of Object.entries(header)) {
    const bytes = file.slice(8 + headerSize + start, 8 + headerSize + stop);
    raw[name] = dtype === "I8" ? new Int8Array(bytes.buffer) : new Float32Array(bytes.buffer);
  }
  const tensors = {};
  for (const [name, values] of Object.entries(raw)) {
    if (values instanceof Float32Array) {
      tensors[name] = values;
      continue;
    }
    const scale = raw[`${name}.scale`], columns = values.length / scale.length;
    const weight = tensors[name] = new Float32Array(values.length);
    for (let row = 0, at = 0; row < scale.length; row++)
      for (const end = at + columns; at < end; at++) weight[at] = values[at] * scale[row];
  }
  return { tensors, record };
}

/** Byte-pair encoding. A token is kept as a string of its bytes, one character for each. */
class Tokenizer {
  constructor(record) {
    // \s means other characters here than in tiktoken: the Unicode property is the same in both.
    const pattern = record.pattern.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}");
    this.pattern = new RegExp(pattern, "gu");
    this.lacks = record.lacks ? new RegExp(record.lacks, "gu") : null;
    this.ranks = new Map(Object.entries(record.tokens));
    this.tokens = new Map(Object.entries(record.tokens).map(([token, rank]) => [rank, token]));
    this.endOfText = record.end_of_text;
  }

  encode(text) {
    let clean = utf8(bytes(text)); // half a character has no bytes: it becomes the replacement character
    if (this.lacks) clean = clean.replace(this.lacks, "\ufffd");
    const ids = [];
    for (const [word] of clean.matchAll(this.pattern)) ids.push(...this.merge(bytes(word)));
    return ids.length ? ids : [this.endOfText];
  }

  /** The tokens of one word: again and again the two neighbours are joined whose token was learnt earliest. */
  merge(word) {
    if (this.ranks.has(word)) return [this.ranks.get(word)];
    const parts = Array.from(word);
    const rank = (place) => this.ranks.get(parts[place] + parts[place + 1]) ?? Infinity;
    const ranks = parts.map((_, place) => rank(place));
    for (;;) {
      let best = 0;
      for (let place = 1; place < parts.length; place++) if (ranks[place] < ranks[best]) best = place;
      if (ranks[best] === Infinity) return parts.map((part) => this.ranks.get(part));
      parts.splice(best, 2, parts[best] + parts[best + 1]);
      ranks.splice(best, 2, rank(best));
      if (best > 0) ranks[best - 1] = rank(best - 1);
    }
  }
}

const bytes = (text) => Array.from(new TextEncoder().encode(text), (byte) => String.fromCharCode(byte)).join("");
const utf8 = (word, fatal = false) =>
  new TextDecoder("utf-8", { fatal, ignoreBOM: true }).decode(Uint8Array.from(word, (byte) => byte.charCodeAt(0)));

/** The model. D hidden size, H heads; the cache of a block holds keys and values of all tokens so far. */
class GPT2 {
  constructor(config, tensors) {
    this.config = config;
    this.tensors = tensors;
    const room = config.context_length * config.hidden_size;
    this.caches = Array.from({ length: config.num_layers }, () => ({
      keys: new Float32Array(room),
      values: new Float32Array(room),
    }));
    this.ids = []; // read so far
    this.logits = []; // after each of them
    this.turn = 0; // counts the texts that were asked for
  }

  /** Logits after each token, or null where another text was asked for meanwhile. */
  async read(ids) {
    const mine = ++this.turn;
    let same = 0;
    while (same < Math.min(ids.length, this.ids.length) && ids[same] === this.ids[same]) same++;
    this.ids.length = this.logits.length = same;
    let rested = performance.now();
    for (const id of ids.slice(same)) {
      this.logits.push(this.append(id, this.ids.length));
      this.ids.push(id);
      if (performance.now() - rested > 30) { // milliseconds: the page stays alive
        await new Promise((resume) => setTimeout(resume));
        if (mine !== this.turn) return null;
        rested = performance.now();
      }
    }
    return this.logits.slice();
  }

  append(id, position) {
    const D = this.config.hidden_size;
    const { "token_embedding.weight": tokens, "position_embedding.weight": positions } = this.tensors;
    let x = Float32Array.from({ length: D }, (_, i) => tokens[id * D + i] + positions[position * D + i]); // (D)
    this.caches.forEach((cache, number) => {
      const name = `blocks.${number}`;
      x = add(x, this.attention(`${name}.attention`, this.norm(`${name}.norm1`, x), position, cache));
      const up = this.linear(`${name}.mlp.up`, this.norm(`${name}.norm2`, x)).map(gelu); // (4 D)
      x = add(x, this.linear(`${name}.mlp.down`, up));
    });
    return this.linear("head", this.norm("final_norm", x)); // (classes)
  }

  attention(name, x, position, { keys, values }) {
    const D = this.config.hidden_size, size = D / this.config.num_heads;
    const query = this.linear(`${name}.query`, x);
    keys.set(this.linear(`${name}.key`, x), position * D);
    values.set(this.linear(`${name}.value`, x), position * D);
    const gathered = new Float32Array(D);
    for (let head = 0; head < D; head += size) {
      const scores = new Float32Array(position + 1);
      for (let place = 0; place <= position; place++) {
        let sum = 0;
        for (let i = head; i < head + size; i++) sum += query[i] * keys[place * D + i];
        scores[place] = sum / Math.sqrt(size);
      }
      const weights = softmax(scores); // over all tokens up to this one
      for (let place = 0; place <= position; place++)
        for (let i = head; i < head + size; i++) gathered[i] += weights[place] * values[place * D + i];
    }
    return this.linear(`${name}.output`, gathered);
  }

  linear(name, x) {
    const weight = this.tensors[`${name}.weight`], bias = this.tensors[`${name}.bias`];
    const y = new Float32Array(bias.length);
    for (let row = 0, at = 0; row < y.length; row++) {
      let sum = bias[row];
      for (let i = 0; i < x.length; i++, at++) sum += weight[at] * x[i];
      y[row] = sum;
    }
    return y;
  }

  norm(name, x) {
    const weight = this.tensors[`${name}.weight`], bias = this.tensors[`${name}.bias`];
    const mean = x.reduce((sum, value) => sum + value, 0) / x.length;
    const variance = x.reduce((sum, value) => sum + (value - mean) ** 2, 0) / x.length;
    return x.map((value, i) => ((value - mean) / Math.sqrt(variance + this.config.norm_epsilon)) * weight[i] + bias[i]);
  }
}

const add = (x, y) => x.map((value, i) => value + y[i]);
const gelu = (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

function softmax(scores) {
  const highest = scores.reduce((one, other) => Math.max(one, other));
  const shares = scores.map((score) => Math.exp(score - highest));
  const sum = shares.reduce((one, other) => one + other);
  return shares.map((share) => share / sum);
}

/** The finished classifier; `read` gives what llmclf.interactive.token_probabilities does, or null (see GPT2.read). */
class StudentClassifier {
  constructor(file) {
    const { tensors, record } = readSafetensors(file);
    this.tokenizer = new Tokenizer(record);
    this.model = new GPT2(record.config, tensors);
    this.names = record.labels;
  }

  async read(text) {
    const ids = this.tokenizer.encode(text);
    const kept = ids.slice(0, this.model.config.context_length);
    const logits = await this.model.read(kept);
    if (logits === null) return null;
    const pieces = [], probabilities = [];
    let unfinished = "";
    kept.forEach((id, place) => {
      unfinished += this.tokenizer.tokens.get(id) ?? "";
      const piece = whole(unfinished) ?? (place === kept.length - 1 ? utf8(unfinished) : null);
      if (piece === null) return; // tokens that share a character stand together
      pieces.push(piece);
      probabilities.push(Array.from(softmax(logits[place])));
      unfinished = "";
    });
    return { text, pieces, probabilities, leftOut: ids.length - kept.length };
  }
}

function whole(word) {
  try {
    return utf8(word, true);
  } catch {
    return null;
  }
}
