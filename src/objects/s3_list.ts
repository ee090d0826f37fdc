import { ImageError } from "../errors.ts";
import { MAX_LISTED_NAME_CHARS, MAX_LISTING_PAGES, Total } from "../oci/limits.ts";
import type { ListOptions, ObjectInfo } from "./object_store.ts";
import type { S3Reply } from "./s3_answer.ts";
import type { S3Connection } from "./s3_connection.ts";

/** How many pages without an object may come in a row: some servers give one where objects were removed. */
const MAX_EMPTY_PAGES = 1000;

/** Lists a bucket page by page; a page is asked for when it is wanted. Throws `invalid-input` where it never ends. */
export async function* listObjects(
  connection: S3Connection,
  prefix: string,
  options: ListOptions,
): AsyncIterable<readonly ObjectInfo[]> {
  const action = `list "${prefix}" in "${connection.name}"`;
  const pages = new Total(`Cannot ${action}`, MAX_LISTING_PAGES, "pages");
  const tokenChars = new Total(`Cannot ${action}`, MAX_LISTED_NAME_CHARS, "characters of names for its pages");
  const seen = new Set<string>();
  let emptyPages = 0;
  let token: string | undefined;
  do {
    pages.add();
    const query = {
      "list-type": "2",
      prefix,
      ...(token === undefined ? {} : { "continuation-token": token }),
      ...(options.startAfter === undefined ? {} : { "start-after": options.startAfter }),
    };
    const page = await connection.call(action, { method: "GET", query }, readPage);
    const { objects } = page;
    emptyPages = objects.length > 0 ? 0 : emptyPages + 1;
    if (objects.length > 0) yield objects;
    token = page.isTruncated ? page.next : undefined;
    if (!page.isTruncated) continue;
    if (token === undefined || seen.has(token) || emptyPages >= MAX_EMPTY_PAGES) {
      throw new ImageError("invalid-input", `Cannot ${action}: the server does not go on after a page`);
    }
    tokenChars.add(token.length);
    seen.add(token);
  } while (token !== undefined);
}

/** One page of a listing. */
interface ListedPage {
  readonly objects: readonly ObjectInfo[];
  readonly isTruncated: boolean;
  readonly next: string | undefined;
}

function readPage({ document }: S3Reply): ListedPage {
  // Not asked for, but some servers escape keys all the same, and say so.
  const isEscaped = document.text("EncodingType") === "url";
  return {
    objects: document.all("Contents").map((found) => ({
      key: keyOf(found.text("Key") ?? "", isEscaped),
      sizeBytes: found.count("Size") ?? 0,
      modifiedAt: found.time("LastModified") ?? new Date(0),
      etag: found.text("ETag") ?? "",
    })),
    isTruncated: document.is("IsTruncated"),
    next: document.text("NextContinuationToken"),
  };
}

/** A key as it is; S3 escapes as forms do, with a plus for a blank. */
function keyOf(text: string, isEscaped: boolean): string {
  if (!isEscaped) return text;
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text; // escaped by nobody
  }
}
