/** What the system refused, in words: the user's disk, rights or network, and no fault of s3lo. */
export interface SystemProblem {
  readonly message: string;
  /** The next step, beginning with a verb. */
  readonly hint: string;
}

/** By the system's name of a failure: what it means, and the next step. */
const PROBLEMS: Readonly<Record<string, readonly [what: string, hint: string]>> = {
  ENOENT: ["There is no such file or folder", "Check the path, and whether something else removes it meanwhile"],
  EACCES: ["The system denies it", "Check who owns the file or folder, and who may read and write it"],
  EPERM: ["The system denies it", "Check who owns the file or folder, and who may change it"],
  EROFS: ["The file system is read-only", "Choose a place that can be written to, or mount it for writing"],
  ENOSPC: ["The disk is full", "Free space there, or choose another place (temporary files: TMPDIR)"],
  EDQUOT: ["The quota of the disk is used up", "Free space there, or choose another place (temporary files: TMPDIR)"],
  EFBIG: ["The file system takes no file so large", "Choose a place on a file system that takes large files"],
  ENAMETOOLONG: ["A name is too long for the file system", "Choose a shorter name or path"],
  EISDIR: ["There is a folder where a file is meant", "Name a file, or remove the folder"],
  ENOTDIR: ["There is a file where a folder is meant", "Name a folder, or remove the file"],
  EEXIST: ["There is something already", "Remove it, or choose another name"],
  ENOTEMPTY: ["The folder is not empty", "Empty it, or choose another one"],
  ELOOP: ["Links lead in a circle", "Name the file or folder itself"],
  EMFILE: ["Too many files are open", "Raise the limit (ulimit -n 4096), or give a lower --concurrency"],
  ENFILE: ["Too many files are open on this machine", "Close other programs, or give a lower --concurrency"],
  ENOMEM: ["There is not enough memory", "Give a lower --concurrency, or close other programs"],
  EIO: ["The disk or device fails", "Check the disk, and run the command again"],
  ESTALE: ["The network file system lost the file", "Run the command again"],
  EBUSY: ["Something else holds the file", "Close what holds it, and run the command again"],
  ETXTBSY: ["The file is a program that runs", "End that program, or choose another name"],
  ENXIO: ["The file is no ordinary one, and nobody is at its other end", "Name an ordinary file"],
  ENODEV: ["The device is not there", "Name an ordinary file"],
  ENOTSUP: ["The file system cannot do this", "Choose a place on another file system"],
  EOPNOTSUPP: ["The file system cannot do this", "Choose a place on another file system"],
  EINVAL: ["The system does not take this for a file or an operation on it", "Name an ordinary file or folder"],
  EXDEV: ["The file would have to move to another file system", "Choose a place on the same file system"],
  EPIPE: ["The reader of what is written went away", "Run the command again, and let its reader read to the end"],
  EAGAIN: ["The system has no room for it at the moment", "Run the command again"],
  ECONNREFUSED: ["The connection was refused", "Check the address, and whether the server runs"],
  ECONNRESET: ["The connection was cut", "Run the command again; what is stored already is not moved again"],
  ECONNABORTED: ["The connection was cut", "Run the command again; what is stored already is not moved again"],
  ENOTCONN: ["The connection was cut", "Run the command again; what is stored already is not moved again"],
  ETIMEDOUT: ["The server does not answer", "Check the address and the network, and run the command again"],
  EHOSTUNREACH: ["The host cannot be reached", "Check the address and the network"],
  ENETUNREACH: ["The network cannot be reached", "Check the network and its proxy settings"],
  EADDRNOTAVAIL: ["This machine has no free port or address left", "Wait a minute, or give a lower --concurrency"],
};

/** Classes of the runtime that come without the system's name. */
const CLASSES: Readonly<Record<string, string>> = {
  NotFound: "ENOENT",
  PermissionDenied: "EACCES",
  AlreadyExists: "EEXIST",
  IsADirectory: "EISDIR",
  NotADirectory: "ENOTDIR",
  FilesystemLoop: "ELOOP",
  Busy: "EBUSY",
  NotSupported: "ENOTSUP",
  BrokenPipe: "EPIPE",
  WouldBlock: "EAGAIN",
  ConnectionRefused: "ECONNREFUSED",
  ConnectionReset: "ECONNRESET",
  ConnectionAborted: "ECONNABORTED",
  NotConnected: "ENOTCONN",
  TimedOut: "ETIMEDOUT",
  NetworkUnreachable: "ENETUNREACH",
  AddrNotAvailable: "EADDRNOTAVAIL",
};

/** Reads what the system refused out of an error that nobody has put into words; undefined for a fault of the program. */
export function systemProblem(error: unknown): SystemProblem | undefined {
  for (let current = error; current instanceof Error; current = current.cause) {
    const { code } = current as { readonly code?: unknown };
    const name = typeof code === "string" && Object.hasOwn(PROBLEMS, code)
      ? code
      : current.constructor === Deno.errors[current.name as keyof typeof Deno.errors]
      ? CLASSES[current.name]
      : undefined;
    const found = name === undefined ? undefined : PROBLEMS[name];
    if (!found) continue;
    const place = placeIn(current.message);
    return { message: place === undefined ? found[0] : `${found[0]}: ${place}`, hint: found[1] };
  }
  return undefined;
}

/** What it is about: the runtime writes `… (os error 30): open '/srv/x'`, and Node's client `connect ECONNREFUSED host:port`. */
function placeIn(message: string): string | undefined {
  const call = /\(os error \d+\): (.+)$/s.exec(message)?.[1];
  const path = call === undefined ? undefined : /^[a-z_ ]+ ('.+')$/s.exec(call)?.[1]?.replaceAll("'", '"') ?? call;
  return path ?? /^connect [A-Z]+ (\S+)/.exec(message)?.[1];
}
