/** A source text taken apart: what the rules look at. All strings have the source's length, so offsets agree. */
export interface Scan {
  readonly text: string;
  /** The text without comments, and without what is inside strings, templates and regular expressions. */
  readonly code: string;
  /** The comments alone. */
  readonly comments: string;
  /** Nesting of (), [] and {} at each offset. */
  readonly depth: Int16Array;
}

/** An import or re-export. */
export interface Import {
  readonly specifier: string;
  readonly offset: number;
}

/** A value after which a slash divides; after anything else it begins a regular expression. */
const ENDS_VALUE = /(?:[\w$)\]}"'`]|\+\+|--)\s*$/;
const KEYWORD_BEFORE_REGEXP = /(?<![\w$.])(?:return|typeof|case|in|of|delete|void|throw|new|else|do|await|yield)\s*$/;

/** Takes a TypeScript or JavaScript text apart; it need not be correct. */
export function scan(text: string): Scan {
  const n = text.length;
  const code = text.split("");
  const comments: string[] = code.map((c) => (c === "\n" ? c : " "));
  const depth = new Int16Array(n);
  // Depths at which a template's ${ was opened: its } leads back into the template.
  const templates: number[] = [];
  let level = 0;
  let i = 0;

  const blank = (from: number, to: number): void => {
    for (let k = from; k < to && k < n; k++) {
      if (text[k] !== "\n") code[k] = " ";
      depth[k] = level;
    }
  };
  const comment = (to: number): void => {
    for (let k = i; k < to; k++) comments[k] = text.charAt(k);
    blank(i, to);
    i = to;
  };
  /** From inside a template to its end or its next ${. */
  const template = (): void => {
    const from = i;
    while (i < n && text[i] !== "`" && !text.startsWith("${", i)) i += text[i] === "\\" ? 2 : 1;
    blank(from, i);
    if (text[i] === "`") depth[i++] = level;
    else if (i < n) {
      depth[i++] = level;
      templates.push(level);
      depth[i++] = level++;
    }
  };

  while (i < n) {
    const c = text.charAt(i);
    if (text.startsWith("//", i)) {
      const end = text.indexOf("\n", i);
      comment(end < 0 ? n : end);
    } else if (text.startsWith("/*", i)) {
      const end = text.indexOf("*/", i + 2);
      comment(end < 0 ? n : end + 2);
    } else if (c === '"' || c === "'") {
      const from = i++;
      while (i < n && text[i] !== c && text[i] !== "\n") i += text[i] === "\\" ? 2 : 1;
      blank(from + 1, i);
      depth[from] = level;
      if (i < n) depth[i++] = level;
    } else if (c === "`") {
      depth[i++] = level;
      template();
    } else if (c === "/" && startsRegExp(code, i)) {
      const from = i++;
      let isClass = false;
      while (i < n && text[i] !== "\n" && (isClass || text[i] !== "/")) {
        if (text[i] === "[") isClass = true;
        else if (text[i] === "]") isClass = false;
        i += text[i] === "\\" ? 2 : 1;
      }
      blank(from + 1, i);
      depth[from] = level;
      if (i < n) depth[i++] = level;
    } else if (c === "}" && templates.length > 0 && templates[templates.length - 1] === level - 1) {
      templates.pop();
      depth[i++] = --level;
      template();
    } else {
      if (c === ")" || c === "]" || c === "}") level--;
      depth[i++] = level;
      if (c === "(" || c === "[" || c === "{") level++;
    }
  }
  return { text, code: code.join(""), comments: comments.join(""), depth };
}

function startsRegExp(code: readonly string[], at: number): boolean {
  const before = code.slice(Math.max(0, at - 60), at).join("");
  return !ENDS_VALUE.test(before) || KEYWORD_BEFORE_REGEXP.test(before);
}

/** 1-based line of an offset. */
export function lineAt(text: string, offset: number): number {
  let line = 1;
  for (let at = text.indexOf("\n"); at >= 0 && at < offset; at = text.indexOf("\n", at + 1)) line++;
  return line;
}

/** All imports: static, re-exporting, for effect, dynamic, and in types. Specifiers that are computed are left out. */
export function importsOf(source: Scan): Import[] {
  const found: Import[] = [];
  const forms = [
    /(?<![\w$.])(?:import|export)\s+(?:type\s+)?[\w$*{},\s]*?(?<![\w$])from\s*(?=["'])/g,
    /(?<![\w$.])import\s*(?=["'])/g,
    /(?<![\w$.])(?:import|require)\s*\(\s*(?=["'`])/g,
  ];
  for (const form of forms) {
    for (const match of source.code.matchAll(form)) {
      const open = match.index + match[0].length;
      const close = source.code.indexOf(source.text.charAt(open), open + 1);
      found.push({ specifier: source.text.slice(open + 1, close), offset: match.index });
    }
  }
  return found.sort((a, b) => a.offset - b.offset);
}
