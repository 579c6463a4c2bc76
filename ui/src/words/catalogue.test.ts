import { describe, expect, test } from "vitest";
import { EMPTY } from "./empty";
import { ASK } from "./questions";
import { ACTIONS, COUNTS, KIND_OF, KINDS, NOUNS, PLURALS } from "./records";
import { ENDS, OUTCOMES, TRIGGERS } from "./runs";

const SOURCES = Object.entries(
  import.meta.glob<string>(["../**/*.ts", "../**/*.tsx"], {
    query: "?raw",
    import: "default",
    eager: true,
  }),
).filter(([file]) => !/\.test\.|openapi/.test(file));

const PAGES = SOURCES.filter(([file]) => !file.startsWith("./"));

/** Texts of four words or more, without what only looks like a text. */
const SENTENCE = /["`>]([A-Z][a-z']+(?: [\w’'-]+[,;:]?){3,}[.?…]?)["`<]/g;

function sentencesOf(text: string) {
  const code = text.replace(/\/\*[\s\S]*?\*\//g, "");
  return [...code.matchAll(SENTENCE)].map(([, sentence]) => sentence);
}

describe("the words of the pages", () => {
  test("have sources to be read", () => {
    expect(PAGES.length).toBeGreaterThan(60);
    expect(sentencesOf(PAGES.map(([, text]) => text).join("\n")).length).toBeGreaterThan(100);
  });

  test("each sentence is written once", () => {
    const places = new Map<string, string[]>();
    for (const [file, text] of SOURCES) {
      for (const sentence of sentencesOf(text)) {
        places.set(sentence, [...(places.get(sentence) ?? []), file]);
      }
    }
    expect([...places].filter(([, files]) => files.length > 1)).toEqual([]);
  });

  test.each(PAGES)("empty states and questions are not written in %s", (_file, text) => {
    expect(text).not.toMatch(/<Empty[^>]* title=(?:"|\{[^}]*")/);
    expect(text).not.toMatch(/\btitle="[^"]*\?"/);
  });

  test.each(PAGES)("kinds and outcomes are not written in %s", (_file, text) => {
    expect(text).not.toMatch(/"Course assignments?"/);
    for (const { label } of Object.values(OUTCOMES)) {
      expect(text).not.toMatch(new RegExp(`label: "${label}"`));
    }
  });

  test("empty states have a short title, and their texts end", () => {
    for (const state of Object.values(EMPTY)) {
      expect(state.title.split(" ").length).toBeLessThanOrEqual(9);
      expect("text" in state ? state.text : "None.").toMatch(/[.…]$/);
    }
  });

  test("questions ask, and their buttons do not say OK", () => {
    for (const { title } of Object.values(ASK)) {
      expect(title).toMatch(/\?$/);
    }
  });

  test("kinds have one noun each, and all that has an outcome has a label", () => {
    expect(KINDS.map(([kind]) => kind)).toEqual(Object.values(KIND_OF));
    expect(Object.keys(NOUNS)).toEqual(Object.keys(PLURALS));
    expect(Object.keys(OUTCOMES)).toEqual(expect.arrayContaining(Object.keys(ENDS)));
    expect(Object.keys(TRIGGERS)).toEqual(["schedule", "upload", "command"]);
    expect(COUNTS.flatMap(([, names]) => names)).toContain("adopted");
    expect(Object.keys(ACTIONS)).toContain("adopt");
  });
});
