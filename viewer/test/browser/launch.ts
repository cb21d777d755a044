import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

/** Where distributions put Chromium; `CHROMIUM` overrides. */
const PLACES = [
  "/usr/bin/chromium",
  "/usr/bin/chromium-browser",
  "/usr/bin/google-chrome",
  "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
  "/Applications/Chromium.app/Contents/MacOS/Chromium",
];

/** The system's Chromium, headless, talking to nobody but the page's server. */
export function launch(): Promise<Browser> {
  const executablePath = [process.env.CHROMIUM ?? "", ...PLACES].find((path) => existsSync(path));
  if (executablePath === undefined) {
    throw new Error(
      "no Chromium found\nhint: install it (Debian: apt-get install chromium), or set CHROMIUM to its path",
    );
  }
  const args = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"];
  return chromium.launch({ executablePath, args, headless: true });
}
