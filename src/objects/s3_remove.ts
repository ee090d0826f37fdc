import { mapPool } from "../bytes/pool.ts";
import { ImageError, isImageError } from "../errors.ts";
import { answerOf } from "./s3_answer.ts";
import { removeObject } from "./s3_calls.ts";
import type { S3Connection } from "./s3_connection.ts";
import { writeDocument } from "./s3_document.ts";
import { checksumHeaders } from "./s3_habits.ts";

/** S3's limit for one request. */
const KEYS_PER_REQUEST = 1000;

/** How many objects are removed at once where each takes a request. */
const REMOVALS_AT_ONCE = 8;

/** Removes objects, many in one request, or one by one on servers that do not take that. */
export class S3Remover {
  readonly #connection: S3Connection;
  #inBatches = true;

  /** For the connection's bucket. */
  constructor(connection: S3Connection) {
    this.#connection = connection;
  }

  /** Removes objects; missing ones are fine. Throws `denied` and what else the server says of the first that fails. */
  async remove(keys: readonly string[]): Promise<void> {
    for (let start = 0; start < keys.length; start += KEYS_PER_REQUEST) {
      const batch = keys.slice(start, start + KEYS_PER_REQUEST);
      if (!this.#inBatches || batch.length === 1 || !await this.#removeBatch(batch)) await this.#removeEach(batch);
    }
  }

  /** False when the server does not take such requests. */
  async #removeBatch(keys: readonly string[]): Promise<boolean> {
    const body = writeDocument("Delete", "Object", keys.map((Key) => ({ Key })), { Quiet: "true" });
    const headers = { "content-type": "application/xml", ...checksumHeaders("amz", body) };
    try {
      const failed = await this.#connection.call(
        `remove objects from "${this.#connection.name}"`,
        { method: "POST", query: { delete: "" }, headers, body },
        ({ document }) =>
          document.all("Error").filter((error) => error.text("Code") !== "NoSuchKey")
            .map((error) => error.text("Key") ?? ""),
      );
      // The single request says better what is wrong, with its status; or it succeeds.
      await this.#removeEach(failed);
      return true;
    } catch (error) {
      if (!isImageError(error, "unsupported") && answerOf(error)?.status !== 405) throw error;
      this.#connection.log(`${error instanceof ImageError ? error.message : error}; removing objects one by one`);
      this.#inBatches = false;
      return false;
    }
  }

  async #removeEach(keys: readonly string[]): Promise<void> {
    const { signal } = this.#connection;
    await mapPool(keys, REMOVALS_AT_ONCE, async (key, stopped) => {
      try {
        await removeObject(this.#connection, key, { signal: stopped });
      } catch (error) {
        const answer = answerOf(error);
        if (answer?.status !== 404 || answer.code === "NoSuchBucket") throw error;
      }
    }, signal);
  }
}
