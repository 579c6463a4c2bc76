/** The log of a run as lines: what they say, how grave they are and which stage wrote them. */

const LINE = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d(?:\.\d{1,3})?)\d*(?:Z|\+00:00) ([A-Z]+) +(.*)$/;
const SECTION = /^=== (\w+), try (\d+) ===$/;
const GRAVITY = { DEBUG: 0, INFO: 1, WARNING: 2, ERROR: 3, CRITICAL: 3 };
const LINES_IN_A_BLOCK = 100;

/**
 * Read the text of a log.
 *
 * A line without a time of its own, as those of a traceback, belongs to the line before it and is
 * as grave as that.
 *
 * @param {string} text The log as the server sends it.
 * @returns {{number: number, at: string, level: string, gravity: number, text: string,
 *   section: (null|{stage: string, attempt: number})}[]} One entry for each line.
 */
export function parseLog(text) {
  const rows = text.split("\n");
  if (rows[rows.length - 1] === "") {
    rows.pop();
  }
  let level = "INFO";
  return rows.map((row, index) => {
    const number = index + 1;
    const heading = SECTION.exec(row);
    if (heading) {
      level = "INFO";
      const section = { stage: heading[1], attempt: Number(heading[2]) };
      return { number, at: "", day: "", level: "", gravity: 1, text: row, section };
    }
    const match = LINE.exec(row);
    if (!match) {
      const gravity = GRAVITY[level] ?? 1;
      return { number, at: "", day: "", level: "", gravity, text: row, section: null };
    }
    level = match[3];
    const gravity = GRAVITY[level] ?? 1;
    return { number, at: match[2], day: match[1], level, gravity, text: match[4], section: null };
  });
}

/**
 * Keep the lines that are grave enough and hold the words; a stage that keeps a line keeps its
 * heading.
 *
 * @param {object[]} lines As `parseLog` gives them.
 * @param {{gravity: number, words: string}} wanted
 * @returns {object[]}
 */
export function filterLines(lines, { gravity, words }) {
  const wanted = words.trim().toLowerCase();
  if (gravity === 0 && wanted === "") {
    return lines;
  }
  const kept = [];
  let heading = null;
  for (const line of lines) {
    if (line.section) {
      heading = line;
    } else if (line.gravity >= gravity && line.text.toLowerCase().includes(wanted)) {
      if (heading) {
        kept.push(heading);
        heading = null;
      }
      kept.push(line);
    }
  }
  return kept;
}

/**
 * Cut lines into blocks that are drawn only while they are near to what is seen. A stage always
 * begins a block, so that one can jump to it.
 *
 * @param {object[]} lines
 * @returns {object[][]}
 */
export function blocksOf(lines) {
  const blocks = [];
  let block = [];
  for (const line of lines) {
    if (block.length === LINES_IN_A_BLOCK || (line.section && block.length > 0)) {
      blocks.push(block);
      block = [];
    }
    block.push(line);
  }
  if (block.length > 0) {
    blocks.push(block);
  }
  return blocks;
}
