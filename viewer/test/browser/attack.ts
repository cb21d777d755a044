// What an attacking page does. `attack` runs in the page; it may use nothing from outside itself.

/** The part of a `RequestInit` that attacks use. */
export interface Init {
  mode?: "no-cors";
  headers?: { [name: string]: string };
  body?: string;
}

/** One request of an attacking page. */
export type Attack =
  | { how: "fetch"; method: "GET" | "POST"; path: string; init?: Init }
  | { how: "form"; enctype: string; path: string; name: string; value: string }
  | { how: "img" | "script" | "iframe" | "socket"; path: string };

/** What the page learned from one. */
export interface Outcome {
  base: string;
  attack: Attack;
  /** `failed`: nothing, not even that somebody answered; `sent`: only that; `hung`: it waits. */
  result: "failed" | "sent" | "hung" | "opened" | "loaded" | number;
  /** What the page could read. */
  text: string;
}

/** Makes every request to every base (`http://host:port`), and says what came back. */
export async function attack({ bases, attacks }: { bases: string[]; attacks: Attack[] }) {
  type Learned = Pick<Outcome, "result" | "text">;
  const tooLong = 10_000;

  async function fetched(url: string, method: string, init?: Init): Promise<Learned> {
    const signal = AbortSignal.timeout(tooLong);
    try {
      const response = await fetch(url, { ...init, method, signal });
      if (response.type === "opaque") return { result: "sent", text: "" };
      return { result: response.status, text: await response.text() };
    } catch {
      return { result: signal.aborted ? "hung" : "failed", text: "" };
    }
  }

  function loaded(make: (done: (result: Outcome["result"]) => void) => Element): Promise<Learned> {
    return new Promise((resolve) => {
      const done = (result: Outcome["result"]) => {
        let text = "";
        try {
          text = (element as HTMLIFrameElement).contentDocument?.body?.innerText ?? "";
        } catch {
          // A page of another origin.
        }
        element.remove();
        resolve({ result, text });
      };
      const element = make(done);
      setTimeout(() => done("hung"), tooLong);
      document.body.append(element);
    });
  }

  const inFrame = (src: string, posted?: HTMLFormElement) =>
    loaded((done) => {
      const frame = document.createElement("iframe");
      frame.name = crypto.getRandomValues(new Uint32Array(4)).join();
      frame.onload = () => {
        // An empty frame loads too, once it is in the page.
        if (posted === undefined || submitted) done("sent");
      };
      let submitted = false;
      if (posted === undefined) frame.src = src;
      else {
        posted.target = frame.name;
        queueMicrotask(() => {
          submitted = true;
          posted.submit();
          posted.remove();
        });
      }
      return frame;
    });

  function form(url: string, enctype: string, name: string, value: string): HTMLFormElement {
    const element = document.createElement("form");
    Object.assign(element, { action: url, method: "post", enctype });
    const field = document.createElement("input");
    Object.assign(field, { type: "hidden", name, value });
    element.append(field);
    document.body.append(element);
    return element;
  }

  function opened(url: string): Promise<Learned> {
    return new Promise((resolve) => {
      const socket = new WebSocket(url.replace(/^http/, "ws"));
      socket.onopen = () => {
        socket.close();
        resolve({ result: "opened", text: "" });
      };
      socket.onerror = () => resolve({ result: "failed", text: "" });
    });
  }

  function tried(url: string, each: Attack): Promise<Learned> {
    switch (each.how) {
      case "fetch":
        return fetched(url, each.method, each.init);
      case "form":
        return inFrame(url, form(url, each.enctype, each.name, each.value));
      case "iframe":
        return inFrame(url);
      case "socket":
        return opened(url);
      default:
        return loaded((done) => {
          const element = document.createElement(each.how);
          element.onload = () => done("loaded");
          element.onerror = () => done("failed");
          (element as HTMLImageElement | HTMLScriptElement).src = url;
          return element;
        });
    }
  }

  const everywhere = bases.map(async (base) => {
    const outcomes: Outcome[] = [];
    for (const each of attacks) {
      outcomes.push({ base, attack: each, ...(await tried(base + each.path, each)) });
    }
    return outcomes;
  });
  return (await Promise.all(everywhere)).flat();
}
