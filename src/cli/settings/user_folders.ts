/** Reads a variable of the environment; unset and empty are the same. */
export type Env = (name: string) => string | undefined;

/** The environment of this process. */
export const processEnv: Env = (name) => Deno.env.get(name) || undefined;

/**
 * The folder of the user's own settings of s3lo, on one system (named as in `Deno.build.os`): `XDG_CONFIG_HOME` where it is
 * set, else what is usual there. Undefined where the user has no home.
 */
export function configFolder(os: string, env: Env): string | undefined {
  return userFolder(os, env, {
    xdg: "XDG_CONFIG_HOME",
    windows: "APPDATA",
    mac: "Library/Application Support",
    unix: ".config",
  });
}

/** Where the file of settings is: `S3LO_CONFIG`, else `config.yaml` in the user's folder for s3lo. */
export function configPath(os: string, env: Env): string | undefined {
  const folder = configFolder(os, env);
  return env("S3LO_CONFIG") ?? (folder && join(os, folder, "config.yaml"));
}

/** The folder of what s3lo may forget, as {@linkcode configFolder} is that of settings. */
export function cacheFolder(os: string, env: Env): string | undefined {
  return userFolder(os, env, { xdg: "XDG_CACHE_HOME", windows: "LOCALAPPDATA", mac: "Library/Caches", unix: ".cache" });
}

function userFolder(
  os: string,
  env: Env,
  names: { readonly xdg: string; readonly windows: string; readonly mac: string; readonly unix: string },
): string | undefined {
  const xdg = env(names.xdg);
  // The specification has relative paths ignored; a file would else appear in whatever folder somebody works in.
  if (xdg !== undefined && isAbsolute(os, xdg)) return join(os, xdg, "s3lo");
  if (os === "windows") {
    const folder = env(names.windows);
    return folder && join(os, folder, "s3lo");
  }
  const home = env("HOME");
  return home && join(os, home, `${os === "darwin" ? names.mac : names.unix}/s3lo`);
}

function isAbsolute(os: string, path: string): boolean {
  return os === "windows" ? /^(?:[A-Za-z]:)?[\\/]/.test(path) : path.startsWith("/");
}

/** Joins a folder and what is in it, with the separator of the system. */
export function join(os: string, folder: string, name: string): string {
  const separator = os === "windows" ? "\\" : "/";
  return `${folder.replace(/[\\/]$/, "")}${separator}${name.replaceAll("/", separator)}`;
}
