/* What the page holds, compressed: the index of all items, and their texts in chunks that are unpacked when they are needed. */
const KEPT = 6;

/* The text that a blob holds compressed. Of what comes from a file no more than so many bytes are read: a small one can unpack to any
   size. */
async function unpacked(blob, most = Infinity) {
  let size = 0, stream = blob.stream().pipeThrough(new DecompressionStream("gzip"));
  if (most < Infinity) stream = stream.pipeThrough(new TransformStream({
    transform(part, out) {
      size += part.length;
      if (size > most) out.terminate(); else out.enqueue(part);
    },
  }));
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(await new Response(stream).arrayBuffer());
}

function packedIn(node) {
  const text = node.textContent;
  if (Uint8Array.fromBase64) return new Blob([Uint8Array.fromBase64(text)]);
  const binary = atob(text), bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place += 1) bytes[place] = binary.charCodeAt(place);
  return new Blob([bytes]);
}

/* Lower case of the same length, so that places stay what they are. */
function lowered(text) {
  const low = text.toLowerCase();
  if (low.length === text.length) return low;
  return Array.from(text, (sign) => { const small = sign.toLowerCase(); return small.length === sign.length ? small : sign; }).join("");
}

class Stored {
  constructor(blocks, index) {
    this.blocks = blocks;
    this.index = index;
    this.open = new Map();
    this.low = [];
    this.beside = new Map();
    this.unread = index.places.filter((place) => !place).length;
  }

  static async read(blocks) {
    return new Stored(blocks.slice(1), JSON.parse(await unpacked(packedIn(blocks[0]))));
  }

  async chunk(number) {
    if (!this.open.has(number)) {
      this.open.set(number, unpacked(packedIn(this.blocks[number])));
      if (this.open.size > KEPT) this.open.delete(this.open.keys().next().value);
    }
    return this.open.get(number);
  }

  /* The texts of one item, taken apart; null where they are not here. */
  async item(row) {
    const apart = this.beside.get(row);
    if (apart) return this.take(apart[1], apart[2], 0);
    const place = this.index.places[row];
    return place ? this.take(place[2], await this.chunk(place[0]), place[1]) : null;
  }

  take(shape, text, start) {
    let at = start, before = null;
    const next = (length) => (length < 0 ? null : text.slice(at, (at += length)));
    const found = { prompt: next(shape[0]), target: next(shape[1]), sides: [] };
    const placed = (prompt, place) => (Array.isArray(place) ? prompt.slice(place[0], place[1]) : next(place));
    for (const side of shape.slice(2)) {
      if (side === -1) found.sides.push(null);
      else if (typeof side === "number") found.sides.push({ outputs: [next(side)], thinking: [], extracted: [], error: null, judgments: [], prompt: null, contents: null });
      else {
        const told = {
          outputs: side[0].map(next), thinking: side[1].map(next), extracted: side[2].map(next), error: next(side[3]),
          judgments: side[4].map(([judge, criterion, draw, order, score, length]) => ({ judge, criterion, draw, order, score, reason: next(length) })),
          prompt: next(side[5]), contents: null,
        };
        if (Array.isArray(side[6])) before = side[6].map((place) => placed(told.prompt === null ? found.prompt : told.prompt, place));
        if (side[6]) told.contents = before;
        found.sides.push(told);
      }
    }
    return found;
  }

  /* Read everything once for the search, a little at a time. */
  async prepare() {
    const rows = this.blocks.map(() => []);
    this.index.places.forEach((place, row) => { if (place) rows[place[0]].push([place[1], row]); });
    for (let number = 0; number < this.blocks.length; number += 1) {
      const text = lowered(await unpacked(packedIn(this.blocks[number])));
      const starts = rows[number].sort((a, b) => a[0] - b[0]);
      this.low.push({ text, starts: starts.map(([start]) => start), rows: starts.map(([, row]) => row) });
      await new Promise((done) => setTimeout(done, 0));
    }
    const { suites, tasks } = this.index;
    this.heads = this.index.key.map((key, row) =>
      [suites[this.index.suite[row]], tasks[this.index.task[row]], key, this.index.places[row] ? "" : this.index.excerpt[row]].join("\n").toLowerCase());
    this.ready = true;
  }

  /* Which items hold all the words: 1 for each that does. The longest word is looked for everywhere, from hit to hit, and the others
     only in what has it. */
  search(words) {
    const [first, ...others] = words.slice().sort((a, b) => b.length - a.length), found = new Uint8Array(this.index.key.length);
    const apart = new Map(Array.from(this.beside, ([row, [, , text]]) => [row, lowered(text)]));
    this.heads.forEach((head, row) => { if (head.includes(first)) found[row] = 1; });
    for (const [row, text] of apart) if (text.includes(first)) found[row] = 1;
    for (const { text, starts, rows } of this.low) {
      let item = 0, at = text.indexOf(first);
      while (at >= 0) {
        while (item + 1 < starts.length && starts[item + 1] <= at) item += 1;
        const end = item + 1 < starts.length ? starts[item + 1] : text.length;
        if (at + first.length <= end) { found[rows[item]] = 1; at = end; } else at += 1;
        at = at < text.length ? text.indexOf(first, at) : -1;
      }
    }
    if (!others.length) return found;
    const check = (row, text) => { if (found[row]) found[row] = Number(others.every((word) => this.heads[row].includes(word) || text.includes(word))); };
    for (const { text, starts, rows } of this.low) rows.forEach((row, place) => { if (found[row]) check(row, text.slice(starts[place], starts[place + 1])); });
    this.index.places.forEach((place, row) => { if (!place) check(row, apart.get(row) || ""); });
    return found;
  }

  /* Read the file beside the page, which only a person can hand to it: a page that may not ask for anything may not ask for this.
     Nothing of it is taken where any of it cannot be read. */
  async add(file) {
    const lines = (await unpacked(file, this.index.beside)).split("\n"), read = new Map();
    if (JSON.parse(lines[0]).report !== this.index.mark) return null;
    if (lines.pop()) throw new Error(say("noEnd"));
    for (const line of lines.slice(1)) {
      const entry = JSON.parse(line), [row, shape, text] = entry;
      if (!Number.isInteger(row) || !(row in this.index.places) || typeof text !== "string") throw new Error(say("noItem", row));
      this.take(shape, text, 0);
      read.set(row, entry);
    }
    read.forEach((entry, row) => this.beside.set(row, entry));
    this.unread = this.index.places.filter((place, row) => !place && !this.beside.has(row)).length;
    return this.beside.size;
  }
}
