/** The Homebrew formula of a release. Homebrew takes it from a tap only: `push_formula.sh` puts it into one. */

/** The systems that Homebrew installs for, as the formula's blocks and as releases name them. */
const SYSTEMS = [
  ["macos", "arm", "darwin_arm64"],
  ["macos", "intel", "darwin_amd64"],
  ["linux", "arm", "linux_arm64"],
  ["linux", "intel", "linux_amd64"],
] as const;

/**
 * The formula's text. `repository` is `owner/name` on GitHub, `checksums` the lines of SHA256SUMS. Throws when a checksum is
 * missing, unless `isPartial` leaves that system out.
 */
export function renderFormula(
  version: string,
  repository: string,
  checksums: string,
  options: { readonly isPartial?: boolean } = {},
): string {
  const number = version.replace(/^v/, "");
  if (!/^\d+\.\d+\.\d+(?:-[\w.]+)?$/.test(number)) throw new Error(`Not a version: "${version}"`);
  const sums = new Map(
    checksums.trim().split("\n").map((line) => line.split(/\s+/)).map(([sum = "", file = ""]) => [file, sum]),
  );
  const blocks = SYSTEMS.flatMap(([os, cpu, target]) => {
    const file = `s3lo_${target}.tar.gz`;
    const sum = sums.get(file);
    if (sum === undefined && options.isPartial) return [];
    if (!sum || !/^[0-9a-f]{64}$/.test(sum)) throw new Error(`SHA256SUMS has no "${file}"`);
    return `  on_${os} do
    on_${cpu} do
      url "https://github.com/${repository}/releases/download/v${number}/${file}"
      sha256 "${sum}"
    end
  end
`;
  });
  return `class S3lo < Formula
  desc "Keep container images in a bucket: copy, pull and push without a registry"
  homepage "https://github.com/${repository}"
  version "${number}"
  license "MIT"

${blocks.join("\n")}
  def install
    bin.install "s3lo"
    generate_completions_from_executable(bin/"s3lo", "completion")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/s3lo --version")
  end
end
`;
}
