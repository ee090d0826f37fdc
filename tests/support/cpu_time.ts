/** How much work something is, on a machine that does other things as well: a clock would count those too. */
import process from "node:process";

/** Starts to count; what is returned says how much time processors have spent on this process since, in milliseconds. */
export function cpuTime(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000;
  };
}
