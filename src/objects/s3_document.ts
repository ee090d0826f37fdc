import { parseXML, XmlNode } from "@aws-sdk/xml-builder";
import { ForeignAnswer, foreignError } from "./s3_foreign.ts";

/** An element of a document of S3's, looked into by the names of what it holds. */
export class S3Element {
  readonly #value: unknown;

  /** Takes what the parser made of it: a text, or members by name, of which those that are repeated are lists. */
  constructor(value: unknown) {
    this.#value = value;
  }

  /** The elements of a name, in their order. */
  all(name: string): readonly S3Element[] {
    const { [name]: found } = this.#members();
    return found === undefined ? [] : (Array.isArray(found) ? found : [found]).map((each) => new S3Element(each));
  }

  /** The text of the first element of a name; undefined where there is none, or nothing in it. */
  text(name: string): string | undefined {
    const [first] = this.all(name);
    return (first && first.#text()) || undefined;
  }

  /** The text of the first element of a name, wherever below this one. */
  find(name: string): string | undefined {
    const own = this.text(name);
    if (own !== undefined) return own;
    for (const inner of Object.keys(this.#members())) {
      for (const each of this.all(inner)) {
        const found = each.find(name);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** A count. Throws `unsupported` where something else stands there. */
  count(name: string): number | undefined {
    return this.#read(name, (text) => /^\d+$/.test(text) ? Number(text) : undefined);
  }

  /** A time. Throws `unsupported` where something else stands there. */
  time(name: string): Date | undefined {
    return this.#read(name, (text) => Number.isNaN(Date.parse(text)) ? undefined : new Date(text));
  }

  /** Yes or no, which is what counts where nothing is said. Throws `unsupported` where something else stands there. */
  is(name: string): boolean {
    return this.#read(name, (text) => text === "true" ? true : text === "false" ? false : undefined) ?? false;
  }

  #read<T>(name: string, read: (text: string) => T | undefined): T | undefined {
    const text = this.text(name)?.trim();
    if (text === undefined || text === "") return undefined;
    const value = read(text);
    if (value === undefined) throw senseless();
    return value;
  }

  #members(): Readonly<Record<string, unknown>> {
    const value = this.#value;
    // The parser's objects inherit names of their own.
    return typeof value === "object" && value !== null ? Object.assign(Object.create(null), value) : {};
  }

  #text(): string {
    const value = typeof this.#value === "object" ? this.#members()["#text"] : this.#value;
    return typeof value === "string" ? value : "";
  }
}

/** Reads the document of an answer; one that is empty holds nothing. Throws `unsupported` where it is no XML. */
export function parseDocument(bytes: Uint8Array): S3Element {
  if (bytes.byteLength === 0) return new S3Element("");
  try {
    return new S3Element(Object.values(parseXML(new TextDecoder().decode(bytes)) as object)[0]);
  } catch {
    throw senseless();
  }
}

function senseless(): Error {
  return foreignError(new ForeignAnswer(200, "XML that makes no sense"));
}

/** Members of an element that is sent, in their order; those without a value are left out. */
export type SentMembers = Readonly<Record<string, string | number | undefined>>;

/** Writes a document whose root holds elements of one name, after others that stand alone. */
export function writeDocument(
  root: string,
  name: string,
  elements: readonly SentMembers[],
  alone: SentMembers = {},
): Uint8Array<ArrayBuffer> {
  const node = new XmlNode(root).a("xmlns", "http://s3.amazonaws.com/doc/2006-03-01/");
  const add = (parent: XmlNode, members: SentMembers) => {
    for (const [member, value] of Object.entries(members)) {
      if (value !== undefined) parent.c(XmlNode.of(member, String(value)));
    }
    return parent;
  };
  add(node, alone);
  for (const members of elements) node.c(add(new XmlNode(name), members));
  return new TextEncoder().encode(`<?xml version="1.0" encoding="UTF-8"?>${node}`);
}
