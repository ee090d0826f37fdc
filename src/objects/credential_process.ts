/**
 * Whether a profile of this machine's AWS configuration gets its credentials from a program (`credential_process`).
 * Files that are missing or cannot be read have none.
 */
export async function hasCredentialProcess(
  env: (name: string) => string | undefined = (name) => Deno.env.get(name) || undefined,
): Promise<boolean> {
  const home = env("HOME") ?? env("USERPROFILE");
  const files = [
    env("AWS_CONFIG_FILE") ?? (home && `${home}/.aws/config`),
    env("AWS_SHARED_CREDENTIALS_FILE") ?? (home && `${home}/.aws/credentials`),
  ];
  for (const path of files) {
    if (path === undefined) return true; // the SDK asks the system where the home is; it may find one
    const text = await Deno.readTextFile(path).catch(() => "");
    if (/^\s*credential_process\s*=/m.test(text)) return true;
  }
  return false;
}
