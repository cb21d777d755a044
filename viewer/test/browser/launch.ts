import { existsSync, mkdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { type Browser, chromium } from "playwright-core";

/** Where distributions put Chromium; `CHROMIUM` overrides, `CHROMIUM=npm` wants the package's. */
const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** Headless, talking to nobody but the page's server. */
const ARGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];

/** The system's Chromium, or else the one that an npm package carries (Linux only). */
export async function launch(args: string[] = []): Promise<Browser> {
  const wanted = process.env.CHROMIUM ?? "";
  const places = wanted === "npm" ? [] : [wanted, ...PLACES];
  const found = places.find((path) => existsSync(path));
  const options = found === undefined ? await fromPackage() : { executablePath: found };
  return chromium.launch({ ...options, args: [...ARGS, ...args], headless: true });
}

async function fromPackage(): Promise<{ executablePath: string; env: Record<string, string> }> {
  if (process.platform !== "linux") {
    throw new Error("no Chromium found\nhint: install it, or set CHROMIUM to its path");
  }
  // The package is made for Lambda: only there it unpacks the libraries that a bare system lacks,
  // and it unpacks into the folder for temporary files. Both are what is wanted here; what else it
  // puts into the environment is not (its fonts crash the browser elsewhere).
  const own = { ...process.env };
  const cache = fileURLToPath(new URL("../../node_modules/.cache/chromium", import.meta.url));
  mkdirSync(cache, { recursive: true });
  process.env.TMPDIR = cache;
  process.env.AWS_EXECUTION_ENV = "AWS_Lambda_nodejs22.x";
  try {
    const { default: packaged } = await import("@sparticuz/chromium");
    const executablePath = await packaged.executablePath();
    const libraries = [`${cache}/al2023/lib`, own.LD_LIBRARY_PATH].filter(Boolean).join(":");
    const env = { ...own, LD_LIBRARY_PATH: libraries } as Record<string, string>;
    return { executablePath, env };
  } finally {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, own);
  }
}
