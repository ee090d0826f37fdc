import { ImageError } from "../errors.ts";
import type { ListOptions, ObjectInfo } from "./object_store.ts";
import { unescapeXml } from "./s3_answer.ts";
import type { S3Connection } from "./s3_connection.ts";

/** Largest answer; a page of 1000 keys of full length stays below. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;

/** Lists a bucket page by page; a page is asked for when it is wanted. */
export async function* listObjects(
  connection: S3Connection,
  prefix: string,
  options: ListOptions,
): AsyncIterable<readonly ObjectInfo[]> {
  const action = `list "${prefix}" in "${connection.name}"`;
  let token: string | undefined;
  do {
    const { bytes } = await connection.receive(action, "", MAX_PAGE_BYTES, {
      "list-type": "2",
      prefix,
      ...(token === undefined ? {} : { "continuation-token": token }),
      ...(options.startAfter === undefined ? {} : { "start-after": options.startAfter }),
    });
    const page = parsePage(new TextDecoder().decode(bytes));
    if (!page) throw new ImageError("invalid-input", `Cannot ${action}: the server's answer is no listing`);
    if (page.objects.length > 0) yield page.objects;
    const next = page.isTruncated ? page.next : undefined;
    if (page.isTruncated && (next === undefined || next === token)) {
      throw new ImageError("invalid-input", `Cannot ${action}: the server does not go on after a page`);
    }
    token = next;
  } while (token !== undefined);
}

interface Page {
  readonly objects: readonly ObjectInfo[];
  readonly isTruncated: boolean;
  readonly next: string | undefined;
}

/** Reads a page of a listing; undefined when it is none. Spec: Amazon S3 API, ListObjectsV2. */
function parsePage(xml: string): Page | undefined {
  if (!/<ListBucketResult[\s>/]/.test(xml)) return undefined;
  const objects: ObjectInfo[] = [];
  for (const [, body = ""] of xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)) {
    const storageClass = element(body, "StorageClass");
    objects.push({
      key: element(body, "Key") ?? "",
      sizeBytes: Number(element(body, "Size") ?? 0),
      modifiedAt: new Date(element(body, "LastModified") ?? 0),
      etag: element(body, "ETag") ?? "",
      ...(storageClass === undefined ? {} : { storageClass }),
    });
  }
  const rest = xml.replaceAll(/<Contents>[\s\S]*?<\/Contents>/g, "");
  return {
    objects,
    isTruncated: element(rest, "IsTruncated") === "true",
    next: element(rest, "NextContinuationToken"),
  };
}

/** The text of an element; none of those that are read holds another. */
function element(xml: string, name: string): string | undefined {
  const start = xml.indexOf(`<${name}>`);
  const end = start < 0 ? -1 : xml.indexOf(`</${name}>`, start);
  return end < 0 ? undefined : unescapeXml(xml.slice(start + name.length + 2, end));
}
