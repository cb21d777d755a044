import { readdirSync, readFileSync, readlinkSync } from "node:fs";

/** A process that listens, as the kernel calls it. */
export interface Listener {
  pid: number;
  program: string;
}

/** What a file or folder of /proc holds; nothing, if its process is gone or hides it. */
function proc<T>(read: () => T, otherwise: T): T {
  try {
    return read();
  } catch {
    return otherwise;
  }
}

/** The TCP ports that these processes and all below them listen on. */
export function listeningPorts(roots: number[]): Map<number, Listener> {
  const sockets = new Map<string, number>();
  for (const table of ["tcp", "tcp6"]) {
    const text = proc(() => readFileSync(`/proc/net/${table}`, "utf8"), "");
    for (const line of text.split("\n").slice(1)) {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      if (state !== "0A" || inode === undefined) continue;
      sockets.set(`socket:[${inode}]`, Number.parseInt(local?.split(":")[1] ?? "", 16));
    }
  }
  const children = new Map<number, Listener[]>();
  const programs = new Map<number, string>();
  for (const pid of readdirSync("/proc").map(Number).filter(Number.isInteger)) {
    const stat = proc(() => readFileSync(`/proc/${pid}/stat`, "utf8"), "");
    const [, program, parent] = stat.match(/\((.*)\) \S (\d+)/s) ?? [];
    if (program === undefined) continue;
    programs.set(pid, program);
    const siblings = children.get(Number(parent)) ?? [];
    children.set(Number(parent), [...siblings, { pid, program }]);
  }
  const ports = new Map<number, Listener>();
  const processes = roots.map((pid) => ({ pid, program: programs.get(pid) ?? "" }));
  for (const { pid, program } of processes) {
    processes.push(...(children.get(pid) ?? []));
    for (const file of proc(() => readdirSync(`/proc/${pid}/fd`), [])) {
      const port = sockets.get(proc(() => readlinkSync(`/proc/${pid}/fd/${file}`), ""));
      if (port !== undefined) ports.set(port, { pid, program });
    }
  }
  return ports;
}
