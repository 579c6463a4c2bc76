import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { asProblem, get, post, Problem, put, url } from "./api";

const SITE: string = "north";
const RUN: string = "1";
const BASE = "https://airflow.example.org/at/school/";

/** Let the server answer, or the way to it fail. */
function answer(given: Response | Error) {
  const asked = vi.fn<typeof fetch>(() =>
    given instanceof Error ? Promise.reject(given) : Promise.resolve(given),
  );
  vi.stubGlobal("fetch", asked);
  return asked;
}

function refusal(status: number, body: unknown) {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return new Response(text, { status });
}

async function caught(asked: Promise<unknown>): Promise<Problem> {
  return asked.then(
    () => {
      throw new Error("It was not refused");
    },
    (problem: unknown) => problem as Problem,
  );
}

beforeEach(() => {
  vi.stubGlobal("document", { baseURI: BASE });
});

afterEach(() => {
  vi.unstubAllGlobals();
});

describe("addresses", () => {
  test("stand under the place where Airflow is mounted", () => {
    expect(url("me")).toBe(`${BASE}oneroster/api/v1/me`);
  });

  test("leave out what is blank, repeat lists, and escape the rest", () => {
    const params = { q: "a&b ü", kind: "", after: null, limit: 0, day: ["monday", "friday"] };
    expect(url("sites", params)).toBe(
      `${BASE}oneroster/api/v1/sites?q=a%26b+%C3%BC&limit=0&day=monday&day=friday`,
    );
  });
});

describe("requests", () => {
  test("bring the JSON of the answer, with the cookie of the page", async () => {
    const asked = answer(refusal(200, { name: "Ann" }));
    expect(await get("me")).toEqual({ name: "Ann" });
    expect(asked.mock.calls[0][1]).toMatchObject({ credentials: "same-origin" });
  });

  test("that write are sent to their end though the page be left, unless they are too large", async () => {
    const asked = answer(refusal(202, {}));
    await post(`sites/${SITE}/runs`);
    expect(asked.mock.calls[0][1]).toMatchObject({ method: "POST", body: "{}", keepalive: true });
    const large = { reason: "x".repeat(20_000) };
    await post(`runs/${RUN}/discard`, large).catch(() => null);
    expect(asked.mock.calls[1][1]).toMatchObject({ keepalive: false });
  });
});

describe("refusals", () => {
  test("say what the server says, with its code and the fields", async () => {
    const errors = [{ field: "days", message: "Choose a day." }];
    answer(
      refusal(422, { title: "Not valid", status: 422, detail: "One field.", code: "x", errors }),
    );
    const problem = await caught(put(`sites/${SITE}/enabled`, { enabled: true }));
    expect(problem).toBeInstanceOf(Problem);
    expect(problem).toMatchObject({
      title: "Not valid",
      status: 422,
      detail: "One field.",
      code: "x",
    });
    expect(problem.errors).toEqual(errors);
  });

  test("carry what stands there now, where somebody else was first", async () => {
    answer(refusal(409, { title: "Conflict", detail: "Saved before.", current: { version: 4 } }));
    const problem = await caught(get(`sites/${SITE}/preferences`));
    expect(problem).toMatchObject({ status: 409, current: { version: 4 }, errors: [], code: null });
  });

  test.each(["<html>Bad gateway</html>", "", '{"detail": [1]}'])(
    "that are no problem documents are described by their status: %s",
    async (body) => {
      answer(refusal(502, body));
      const problem = await caught(get("me"));
      expect(problem).toMatchObject({ title: "Unexpected answer", status: 502 });
      expect(problem.detail).toContain("502");
    },
  );

  test("of a server that can't be reached say that nothing was lost", async () => {
    answer(new TypeError("Failed to fetch"));
    expect(await caught(get("me"))).toMatchObject({ title: "No answer", status: 0 });
  });

  test("are none where the request was given up", async () => {
    const given = new DOMException("", "AbortError");
    answer(given);
    expect(await caught(get("me"))).toBe(given);
  });

  test("are made of anything that was thrown", () => {
    const problem = new Problem({ status: 404, detail: "Gone." });
    expect(asProblem(problem)).toBe(problem);
    expect(asProblem(new TypeError("x is undefined")).detail).toBe("x is undefined");
    expect(asProblem("odd").detail).toBe("odd");
  });
});
