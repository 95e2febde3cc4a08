/** What the page's code is held to beside its types (tsconfig.json). */

import js from "@eslint/js";
import globals from "globals";

const HTML_FROM_STRINGS = ["innerHTML", "outerHTML", "insertAdjacentHTML"].map((property) => (
  { property, message: "Build elements with h() of ui/dom.js." }));

export default [
  js.configs.recommended,
  {
    files: ["webapp/static/js/**/*.js", "webapp/pages_static/**/*.js"],
    languageOptions: { globals: { ...globals.browser, d3: "readonly" } },
  },
  { files: ["webapp/static/js/theme-boot.js", "webapp/pages_static/**/*.js"], languageOptions: { sourceType: "script" } },
  { files: ["webapp/pages_static/**/*.js"], languageOptions: { globals: { SwaggerUIBundle: "readonly" } } },
  { files: ["tests/page/units/**/*.js"], languageOptions: { globals: globals.node } },
  {
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      "consistent-return": "off",
      "default-case-last": "error",
      eqeqeq: "error",
      "max-len": ["error", { code: 150 }],
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 60],
      "no-constant-binary-expression": "error",
      "no-duplicate-imports": "error",
      "no-else-return": "error",
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-lonely-if": "error",
      "no-restricted-properties": ["error", ...HTML_FROM_STRINGS],
      "no-shadow": ["error", { builtinGlobals: false }],
      "no-throw-literal": "error",
      "no-unneeded-ternary": "error",
      "no-unused-expressions": ["error", { allowShortCircuit: true, allowTernary: true }],
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-useless-rename": "error",
      "no-useless-return": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-arrow-callback": "error",
      "prefer-const": "error",
      "prefer-template": "error",
    },
  },
];
