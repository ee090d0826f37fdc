/** Documents of S3's are read strictly and written so that nothing in a key or an ETag breaks out of its element. */
import assert from "node:assert/strict";
import { isImageError } from "../../src/errors.ts";
import { parseDocument, writeDocument } from "../../src/objects/s3_document.ts";
import { oddS3 } from "./odd_s3_server.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

Deno.test("elements are found by name, one or many, with attributes, comments, CDATA and escapes", () => {
  const document = parseDocument(bytes(`<?xml version="1.0"?><!-- x --><R xmlns="urn:x">
    <One a="b">1</One><Many><V>&lt;&#x41;&amp;</V></Many><Many><V><![CDATA[<raw>]]></V></Many>
    <Yes>true</Yes><No>false</No><Empty/><When>2026-01-02T03:04:05.000Z</When><Count> 7 </Count></R>`));
  assert.equal(document.text("One"), "1");
  assert.deepEqual(document.all("Many").map((each) => each.text("V")), ["<A&", "<raw>"]);
  assert.equal(document.find("V"), "<A&");
  assert.deepEqual([document.is("Yes"), document.is("No"), document.is("Gone")], [true, false, false]);
  assert.deepEqual([document.text("Empty"), document.text("Gone"), document.find("Gone")], [
    undefined,
    undefined,
    undefined,
  ]);
  assert.equal(document.time("When")?.toISOString(), "2026-01-02T03:04:05.000Z");
  assert.equal(document.count("Count"), 7);
  // Names that every object has are no elements.
  for (const name of ["constructor", "toString", "__proto__"]) assert.equal(document.text(name), undefined);
});

Deno.test("what makes no sense is refused, and nothing is nothing", () => {
  assert.deepEqual(parseDocument(bytes("")).all("A"), []);
  for (const text of ["no xml", "<A><B></A>", "<A>", `${"<a>".repeat(200_000)}`]) {
    assert.throws(() => parseDocument(bytes(text)), (error) => isImageError(error, "unsupported"), text.slice(0, 20));
  }
  const odd = parseDocument(bytes("<R><N>1e3</N><M>-1</M><T>yesterday</T><B>maybe</B></R>"));
  for (const read of [() => odd.count("N"), () => odd.count("M"), () => odd.time("T"), () => odd.is("B")]) {
    assert.throws(read, (error) => isImageError(error, "unsupported"));
  }
});

Deno.test("what is written is read back, whatever is in it", () => {
  const key = `a<b>&"'\u00e4\u{1f600} </Key>]]>`;
  const written = writeDocument("Delete", "Object", [{ Key: key, Gone: undefined }, { Key: "b" }], { Quiet: "true" });
  const read = parseDocument(written);
  assert.deepEqual(read.all("Object").map((each) => each.text("Key")), [key, "b"]);
  assert.equal(read.is("Quiet"), true);
  assert.ok(!new TextDecoder().decode(written).includes("Gone"));
});

Deno.test("keys that a server escapes in its listing, and says so, are listed as they are", async () => {
  const page = (encoding: string, key: string) =>
    new Response(
      `<ListBucketResult>${encoding}<Contents><Key>${key}</Key><Size>3</Size>` +
        `<LastModified>2026-01-02T03:04:05.000Z</LastModified><ETag>&quot;e&quot;</ETag></Contents></ListBucketResult>`,
    );
  const pages = [
    page("<EncodingType>url</EncodingType>", "a+b%2Bc/%C3%A4"),
    page("", "a+b%2Bc"),
    page("<EncodingType>url</EncodingType>", "100%"),
  ];
  await using odd = await oddS3(() => pages.shift());
  for (const expected of ["a b+c/ä", "a+b%2Bc", "100%"]) {
    const [[found] = []] = await Array.fromAsync(odd.store.list(""));
    assert.deepEqual([found?.key, found?.sizeBytes, found?.etag], [expected, 3, '"e"']);
  }
});
