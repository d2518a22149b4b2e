// Writes numeric constants into the places of dist/ that use them. V8 reads an imported constant from its module's cell
// at every use, checks that it is initialized and a small integer, and does not fold it: on the data path, where each
// access to a packet's metadata names a field by such a constant, that is a third of all instructions.
import { dirname, join } from "node:path";
import { runInNewContext } from "node:vm";

/** @typedef {{ readonly text: string, readonly start: number, readonly kind: "word" | "number" | "text" | "sign" }} Token */

const CONSTANT = /^[A-Z][A-Z0-9_]*$/;
/** Words that declare the name behind them. */
const DECLARES = new Set(["const", "let", "var", "function", "class"]);
/** Signs that an initializer may hold to be worked out here. */
const ARITHMETIC = new Set(["+", "-", "*", "/", "%", "(", ")", "<", ">", "&", "|", "^", "~"]);
/** Words after which a slash starts a regular expression. */
const BEFORE_EXPRESSION = new Set(["return", "typeof", "case", "in", "of", "void", "delete", "throw", "do", "else"]);
const TOKEN =
  /([A-Za-z_$][\w$]*)|(\d[\w.]*)|("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')|(\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)|(\?\.|\.{3}|=>|[^])/y;
const REGULAR_EXPRESSION = /\/(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;

/**
 * Tells a module's words from its strings, templates, comments and regular expressions.
 * @param {string} code
 * @returns {Token[]}
 */
export function tokensOf(code) {
  /** @type {Token[]} */
  const tokens = [];
  // Of each template that is open around here: how many braces are open in its expression.
  /** @type {number[]} */
  const templates = [];
  for (let at = 0; at < code.length; ) {
    const sign = code[at];
    const before = tokens.at(-1);
    /** @type {Token["kind"]} */
    let kind = "text";
    let end = at;
    if (sign === "`" || (sign === "}" && templates.at(-1) === 0)) {
      if (sign === "}") templates.pop();
      end = endOfTemplateText(code, at + 1);
      if (code.startsWith("${", end - 2)) templates.push(0);
    } else if (sign === "/" && startsExpression(before) && !/^\/[/*]/.test(code.slice(at, at + 2))) {
      REGULAR_EXPRESSION.lastIndex = at;
      end = at + (REGULAR_EXPRESSION.exec(code)?.[0].length ?? 1);
    } else {
      TOKEN.lastIndex = at;
      const [whole = sign ?? "", word, number, , blank, other] = TOKEN.exec(code) ?? [];
      end = at + whole.length;
      if (blank !== undefined) {
        at = end;
        continue;
      }
      if (word !== undefined) kind = "word";
      else if (number !== undefined) kind = "number";
      else if (other !== undefined) kind = "sign";
      const open = templates.length - 1;
      if (open >= 0 && other === "{") templates[open] = (templates[open] ?? 0) + 1;
      if (open >= 0 && other === "}") templates[open] = (templates[open] ?? 0) - 1;
    }
    tokens.push({ text: code.slice(at, end), start: at, kind });
    at = end;
  }
  return tokens;
}

/** @param {string} code @param {number} from in the text of a template @returns {number} behind its end, or behind "${" */
function endOfTemplateText(code, from) {
  for (let at = from; at < code.length; at++) {
    if (code[at] === "\\") at++;
    else if (code[at] === "`") return at + 1;
    else if (code.startsWith("${", at)) return at + 2;
  }
  return code.length;
}

/** @param {Token | undefined} before @returns {boolean} whether what follows it begins an expression */
function startsExpression(before) {
  if (before === undefined) return true;
  if (before.kind === "word") return BEFORE_EXPRESSION.has(before.text);
  return before.kind === "sign" && ![")", "]", "}"].includes(before.text);
}

/** One module on its way. */
class Module {
  /** Constants that it exports. @type {Map<string, number>} */
  exported = new Map();
  /** Constants that may be written out in it. @type {Map<string, number>} */
  known = new Map();
  /** Those of them that it declares itself. @type {Set<string>} */
  own = new Set();
  isRead = false;

  /** @param {string} path @param {string} code */
  constructor(path, code) {
    this.path = path;
    this.code = code;
    this.tokens = tokensOf(code);
  }
}

/**
 * Writes out the constants of a set of modules. What is not plainly the use of a numeric constant stays as it is.
 * @param {ReadonlyMap<string, string>} files JavaScript modules by path, with slashes
 * @returns {Map<string, string>} the modules that change
 */
export function inlineConstants(files) {
  const modules = new Map([...files].map(([path, code]) => [path, new Module(path, code)]));
  /** @type {Map<string, string>} */
  const changed = new Map();
  for (const module of modules.values()) {
    learn(module, modules);
    const code = rewritten(module);
    if (code !== module.code) changed.set(module.path, code);
  }
  return changed;
}

/** Finds the constants that a module imports or declares. @param {Module} module @param {Map<string, Module>} modules */
function learn(module, modules) {
  if (module.isRead) return;
  module.isRead = true;
  const { tokens, known } = module;
  let depth = 0;
  for (let i = 0; i < tokens.length; i++) {
    const { text, kind } = tokens[i];
    if (kind === "sign" && "([{".includes(text)) depth++;
    if (kind === "sign" && ")]}".includes(text)) depth--;
    if (depth > 0 || kind !== "word") continue;
    if (text === "import" && tokens[i + 1]?.text === "{") learnImport(module, i + 2, modules);
    else if (text === "const") learnConstant(module, i + 1, tokens[i - 1]?.text === "export");
  }
  // Another declaration of the name, in some function, hides the constant there.
  const declared = declarations(tokens);
  for (const name of known.keys()) if ((declared.get(name) ?? 0) > (module.own.has(name) ? 1 : 0)) known.delete(name);
}

/** @param {Module} module @param {number} first token of the list @param {Map<string, Module>} modules */
function learnImport({ tokens, path, known }, first, modules) {
  let end = first;
  while (end < tokens.length && tokens[end]?.text !== "}") end++;
  const source = tokens[end + 2]?.text.slice(1, -1) ?? "";
  const from = source.startsWith(".") ? modules.get(join(dirname(path), source)) : undefined;
  if (from === undefined) return;
  learn(from, modules);
  for (let i = first; i < end; ) {
    const name = tokens[i]?.text ?? "";
    const isRenamed = tokens[i + 1]?.text === "as";
    const value = from.exported.get(name);
    const local = isRenamed ? (tokens[i + 2]?.text ?? "") : name;
    if (value !== undefined && CONSTANT.test(local)) known.set(local, value);
    i += isRenamed ? 4 : 2;
  }
}

/** @param {Module} module @param {number} at token of the name @param {boolean} isExported */
function learnConstant({ tokens, known, own, exported }, at, isExported) {
  const name = tokens[at]?.text ?? "";
  if (!CONSTANT.test(name) || tokens[at + 1]?.text !== "=") return;
  let expression = "";
  for (let i = at + 2; tokens[i]?.text !== ";"; i++) {
    const token = tokens[i];
    if (token === undefined) return;
    if (token.kind === "word" && known.has(token.text)) expression += ` (${known.get(token.text)})`;
    else if (token.kind === "number" || (token.kind === "sign" && ARITHMETIC.has(token.text))) expression += token.text;
    else return;
  }
  const value = /** @type {unknown} */ (runInNewContext(expression));
  if (typeof value !== "number" || !Number.isFinite(value)) return;
  known.set(name, value);
  own.add(name);
  if (isExported) exported.set(name, value);
}

/** @param {readonly Token[]} tokens @returns {Map<string, number>} how often each name is declared */
function declarations(tokens) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (let i = 1; i < tokens.length; i++) {
    if (!DECLARES.has(tokens[i - 1]?.text ?? "")) continue;
    const name = tokens[i]?.text ?? "";
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return counts;
}

/** @param {Module} module @returns {string} its code with the constants written out */
function rewritten({ code, tokens, known }) {
  let text = "";
  let done = 0;
  /** @type {string[]} */
  const open = [];
  let isClause = false;
  for (let i = 0; i < tokens.length; i++) {
    const token = tokens[i];
    const before = tokens[i - 1]?.text ?? "";
    const after = tokens[i + 1]?.text ?? "";
    if (token.kind === "sign" && "([{".includes(token.text)) open.push(token.text);
    if (token.kind === "sign" && ")]}".includes(token.text)) open.pop();
    if ((token.text === "import" || token.text === "export") && after === "{") isClause = true;
    if (token.text === ";") isClause = false;
    const value = token.kind === "word" ? known.get(token.text) : undefined;
    if (value === undefined || isClause || !isUse(before, after, open.at(-1) ?? "")) continue;
    text += code.slice(done, token.start) + (value < 0 || after === "." ? `(${value})` : String(value));
    done = token.start + token.text.length;
  }
  return text + code.slice(done);
}

/**
 * Whether a name between these neighbours is read, and is no property's name.
 * @param {string} before
 * @param {string} after
 * @param {string} bracket the innermost that is open
 */
function isUse(before, after, bracket) {
  if (DECLARES.has(before) || [".", "?.", "#", "as"].includes(before)) return false;
  if (["=", "(", "=>", "as"].includes(after)) return false;
  const isListed = bracket === "{" && (before === "{" || before === ",");
  return !(isListed && [":", ",", "}"].includes(after));
}
