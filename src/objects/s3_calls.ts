import type { S3Connection, StepOptions } from "./s3_connection.ts";

/** What a server tells of an object without its bytes. */
export interface ObjectHead {
  readonly sizeBytes: number;
  readonly modifiedAt: Date;
  readonly etag: string | undefined;
  /** The SHA-256 that the server keeps, where it was asked for it. */
  readonly sha256: string | undefined;
  /** Of what that is: `COMPOSITE` for one that is made of the parts'. */
  readonly checksumType: string | undefined;
}

/** Looks an object up; with `asksHash`, its checksum too. */
export async function headObject(
  connection: S3Connection,
  key: string,
  { action, asksHash }: { readonly action?: string; readonly asksHash?: boolean } = {},
): Promise<ObjectHead> {
  const headers = asksHash ? { "x-amz-checksum-mode": "ENABLED" } : {};
  const what = action ?? `look up "${key}" in "${connection.name}"`;
  return await connection.call(what, { method: "HEAD", key, headers }, ({ header }) => {
    const [length, modified] = [Number(header("content-length")), Date.parse(header("last-modified") ?? "")];
    return {
      sizeBytes: Number.isSafeInteger(length) ? length : 0,
      modifiedAt: new Date(Number.isNaN(modified) ? 0 : modified),
      etag: header("etag"),
      sha256: header("x-amz-checksum-sha256"),
      checksumType: header("x-amz-checksum-type"),
    };
  });
}

/** Removes one object. */
export async function removeObject(connection: S3Connection, key: string, options: StepOptions = {}): Promise<void> {
  await connection.call(`remove "${key}" from "${connection.name}"`, { method: "DELETE", key }, () => {}, options);
}

/** Ends an upload in parts and frees those. */
export async function abortUpload(
  connection: S3Connection,
  action: string,
  upload: { readonly key: string; readonly id: string },
  options: StepOptions = {},
): Promise<void> {
  const { key, id: uploadId } = upload;
  await connection.call(action, { method: "DELETE", key, query: { uploadId } }, () => {}, options);
}
