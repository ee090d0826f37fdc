/** How long a server may be silent before a small call is given up, and while a body is read. */
export const CALL_LIMIT_MS = 2 * 60_000;

/** How long a server may copy, or put the parts of a large object together, in one call. */
export const LONG_CALL_LIMIT_MS = 30 * 60_000;

/** How long sending one part may take: eight of 8 MiB share a line of 1 Mbit/s. */
export const SEND_LIMIT_MS = 15 * 60_000;

/** Largest answer to a small call; a page of 1000 keys of full length stays below. */
export const MAX_ANSWER_BYTES = 16 * 1024 * 1024;
