import type { ErrorCode } from "../errors.ts";
import { systemCode } from "./system_code.ts";

/** What a failure of the file system means to a person: "Cannot write X: {why}". */
export interface FileFailure {
  readonly code: ErrorCode;
  readonly why: string;
  readonly hint: string;
}

/** Why a file cannot be written that the user named, as far as that is the user's to mend; undefined for anything else. */
export function fileFailure(error: unknown): FileFailure | undefined {
  switch (systemCode(error)) {
    case "ENOSPC":
    case "EDQUOT":
      return { code: "unsupported", why: "its disk is full", hint: "Free space there, or write to another disk" };
    case "EFBIG":
      return {
        code: "unsupported",
        why: "its file system takes no file so large",
        hint: "Choose a place on a file system that takes large files",
      };
    case "EROFS":
      return {
        code: "denied",
        why: "its file system is read-only",
        hint: "Choose a place that can be written to, or mount it for writing",
      };
    case "ENAMETOOLONG":
      return { code: "unsupported", why: "the name is too long for its file system", hint: "Choose a shorter name" };
    case "ELOOP":
      return { code: "unsupported", why: "links on the way to it lead in circles", hint: "Name the folder itself" };
    case "EEXIST":
    case "EISDIR":
    case "ENOTDIR":
    case "ENOTEMPTY":
      return {
        code: "conflict",
        why: "a file or folder is in the way",
        hint: "Remove what is there, or choose another place",
      };
    case "EACCES":
    case "EPERM":
      return { code: "denied", why: "permission denied", hint: "Check who owns it and whether it is writable" };
  }
  return undefined;
}
