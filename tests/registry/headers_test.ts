import assert from "node:assert/strict";
import { ImageError } from "../../src/errors.ts";
import { isLoopback } from "../../src/http/loopback.ts";
import { type Challenge, parseChallenges } from "../../src/registry/challenge.ts";
import { resolveUrl, withQuery } from "../../src/registry/endpoint.ts";
import { nextLink } from "../../src/registry/link.ts";
import { PageWalk } from "../../src/registry/page_walk.ts";
import { Random } from "../support/images.ts";

const permissions: Deno.PermissionOptions = "none";
const bearer = (parameters: Record<string, string>): Challenge => ({ scheme: "bearer", parameters });

const CHALLENGES: readonly (readonly [string, readonly Challenge[]])[] = [
  ["", []],
  ["Basic", [{ scheme: "basic", parameters: {} }]],
  ['Basic realm="Registry Realm"', [{ scheme: "basic", parameters: { realm: "Registry Realm" } }]],
  ["BASIC REALM=plain", [{ scheme: "basic", parameters: { realm: "plain" } }]],
  [
    'Bearer realm="https://auth.docker.io/token",service="registry.docker.io",scope="repository:library/alpine:pull"',
    [bearer({
      realm: "https://auth.docker.io/token",
      service: "registry.docker.io",
      scope: "repository:library/alpine:pull",
    })],
  ],
  [
    'bearer Realm = "https://a/b" , scope="repository:a:pull,push repository:b:pull" , error="insufficient_scope"',
    [bearer({
      realm: "https://a/b",
      scope: "repository:a:pull,push repository:b:pull",
      error: "insufficient_scope",
    })],
  ],
  [
    'Negotiate YWJj==, Basic realm="a, b=c", Bearer realm="https://x/\\"quoted\\"",service=y',
    [
      { scheme: "negotiate", parameters: {} },
      { scheme: "basic", parameters: { realm: "a, b=c" } },
      bearer({ realm: 'https://x/"quoted"', service: "y" }),
    ],
  ],
  ['Negotiate, Bearer realm="r"', [{ scheme: "negotiate", parameters: {} }, bearer({ realm: "r" })]],
  ['Bearer realm="first",realm="second"', [bearer({ realm: "first" })]],
  [', ,Bearer realm="r",,', [bearer({ realm: "r" })]],
  ['Bearer realm="never closed', [bearer({ realm: "never closed" })]],
  ['Bearer __proto__="x",realm="r"', [bearer(Object.fromEntries([["__proto__", "x"], ["realm", "r"]]))]],
  ['=broken, Basic realm="x"', []],
];

for (const [header, expected] of CHALLENGES) {
  Deno.test(`parseChallenges() reads ${JSON.stringify(header)}`, { permissions }, () => {
    const found = parseChallenges(header).map(({ scheme, parameters }) => [scheme, Object.entries(parameters)]);
    assert.deepEqual(found, expected.map(({ scheme, parameters }) => [scheme, Object.entries(parameters)]));
  });
}

const LINKS: readonly (readonly [string | null, string | undefined])[] = [
  [null, undefined],
  ["", undefined],
  ['</v2/a/tags/list?last=b&n=2>; rel="next"', "/v2/a/tags/list?last=b&n=2"],
  ["</x>; rel=next", "/x"],
  ["</x>;REL=NEXT", "/x"],
  ['</a>; rel="prev", </b>; title="x, y; rel=next"; rel="next"', "/b"],
  ['</a>; title="\\"; rel=next"; rel=prev', undefined],
  ['<https://h/v2/?a=1,2;3>; rel="last next"', "https://h/v2/?a=1,2;3"],
  ['</a>; rel="nextish"', undefined],
  ["</a>", undefined],
  ['</a; rel="next"', undefined],
  ['/a; rel="next"', undefined],
];

for (const [header, expected] of LINKS) {
  Deno.test(`nextLink() reads ${JSON.stringify(header)}`, { permissions }, () => {
    assert.equal(nextLink(header), expected);
  });
}

Deno.test("parseChallenges() reads back whatever was written by the rules (seeded)", { permissions }, () => {
  const token = "abcXYZ019!#$%&'*+-.^_`|~";
  const text = `${token}"\\ ,;=/:()<>@ é`;
  for (let seed = 1; seed <= 500; seed++) {
    const random = new Random(seed);
    const word = (from: string, least: number) =>
      Array.from({ length: least + random.next(12) }, () => from[random.next(from.length)]).join("");
    const expected = Array.from({ length: 1 + random.next(3) }, () => ({
      scheme: `s${word(token, 0)}`.toLowerCase(),
      parameters: Array.from(
        { length: 1 + random.next(4) },
        (_, index) => [`p${index}${word(token, 0)}`.toLowerCase(), word(text, 0)] as const,
      ),
    }));
    const gap = () => " ".repeat(random.next(2));
    const quote = (value: string) => `"${value.replaceAll(/["\\]/g, (character) => `\\${character}`)}"`;
    const header = expected.map(({ scheme, parameters }) =>
      `${scheme} ${
        parameters.map(([name, value]) => `${name}${gap()}=${gap()}${quote(value)}`).join(`${gap()},${gap()}`)
      }`
    ).join(`${gap()},${gap()}`);
    const found = parseChallenges(header).map(({ scheme, parameters }) => ({
      scheme,
      parameters: Object.entries(parameters),
    }));
    assert.deepEqual(found, expected, `seed ${seed}: ${header}`);
  }
});

Deno.test("the header parsers come to an end and never throw, whatever they get (seeded)", { permissions }, () => {
  const pieces = ["Bearer", "Basic", "realm", "=", '"', "\\", ",", ";", " ", "<", ">", "rel", "next", "é", "\t", "a/b"];
  for (let seed = 1; seed <= 3000; seed++) {
    const random = new Random(seed);
    const header = Array.from({ length: random.next(40) }, () => pieces[random.next(pieces.length)]).join("");
    for (const { scheme, parameters } of parseChallenges(header)) {
      assert.notEqual(scheme, "", `seed ${seed}`);
      for (const name of Object.keys(parameters)) assert.equal(name, name.toLowerCase(), `seed ${seed}`);
    }
    const link = nextLink(header);
    if (link !== undefined) assert.ok(header.includes(`<${link}>`), `seed ${seed}`);
  }
});

Deno.test("PageWalk stays on the registry, and ends where a page comes again", { permissions }, () => {
  const asked = "https://registry.test/v2/a/tags/list?n=2";
  const after = (link: string) => {
    const walk = new PageWalk("r", asked, "Cannot list");
    assert.equal(walk.next(), asked);
    walk.follow(`<${link}>; rel="next"`);
    return walk.next();
  };
  assert.equal(after("/v2/a/tags/list?last=b"), "https://registry.test/v2/a/tags/list?last=b");
  assert.equal(after("?last=b"), "https://registry.test/v2/a/tags/list?last=b");
  assert.equal(after("http://registry.test/v2/x"), "https://registry.test/v2/x");
  assert.equal(after("/v2/a/tags/list?n=2"), undefined);
  for (const link of ["https://evil.test/v2/", "//evil.test/x", "file:///etc/passwd", "https://registry.test:444/"]) {
    assert.throws(() => after(link), (error) => error instanceof ImageError, link);
  }
});

Deno.test("resolveUrl() keeps to https behind a proxy that names itself http", { permissions }, () => {
  const asked = "https://registry.test:8443/v2/a/blobs/uploads/";
  const cases: readonly (readonly [string, string | undefined])[] = [
    ["/v2/a/blobs/uploads/1?_state=a%3D%3D", "https://registry.test:8443/v2/a/blobs/uploads/1?_state=a%3D%3D"],
    ["http://registry.test:8443/x", "https://registry.test:8443/x"],
    ["http://registry.test/x", "https://registry.test:8443/x"],
    ["http://storage.test/x", "http://storage.test/x"],
    ["https://storage.test/x", "https://storage.test/x"],
    ["ftp://storage.test/x", undefined],
    ["http://[bad", undefined],
  ];
  for (const [given, expected] of cases) assert.equal(resolveUrl(given, asked), expected, given);
  assert.equal(
    withQuery("https://h/x?_state=a%2Bb~", "digest", "sha256:ab"),
    "https://h/x?_state=a%2Bb~&digest=sha256%3Aab",
  );
});

Deno.test("isLoopback() knows this machine and nobody else", { permissions }, () => {
  for (
    const host of ["localhost", "localhost:5000", "127.0.0.1", "127.8.9.1:80", "[::1]", "[::1]:5000", "a.localhost"]
  ) {
    assert.equal(isLoopback(host), true, host);
  }
  for (const host of ["localhost.evil.test", "127.0.0.1.evil.test", "128.0.0.1", "[::2]:5000", "10.0.0.1", "127.1"]) {
    assert.equal(isLoopback(host), false, host);
  }
});
