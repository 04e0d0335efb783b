// The line that says what to show. It writes the address a moment after the last key, so that the history has expressions
// and not letters.

import { useEffect, useId, useRef, useState } from "react";
import { Button, DialogTrigger, Popover } from "react-aria-components";

import { t } from "../messages";
import type { Find } from "./useFind";
import "./find.css";

const SETTLE_MS = 150;

/** `found` says what is found where it is not the picture that is looked through: a list counts its own kind. */
export function FindBox({ find, found }: { readonly find: Find; readonly found?: string | null }) {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState(find.text);
  const described = useId();
  // The address is the truth: going back in the history writes it here.
  const [known, setKnown] = useState(find.text);
  if (known !== find.text) {
    setKnown(find.text);
    setTyped(find.text);
  }
  useEffect(() => {
    if (typed === find.text) return;
    const timer = setTimeout(() => find.setText(typed), SETTLE_MS);
    return () => clearTimeout(timer);
  }, [typed, find]);
  useEffect(() => {
    const focus = (event: KeyboardEvent) => {
      const target = event.target;
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName))) return;
      event.preventDefault();
      input.current?.focus();
    };
    addEventListener("keydown", focus);
    return () => removeEventListener("keydown", focus);
  }, []);
  const clear = () => {
    setTyped("");
    find.setText("");
    input.current?.focus();
  };
  return (
    <search className="find">
      <input
        ref={input}
        type="search"
        aria-label={t.find.label}
        aria-describedby={described}
        aria-keyshortcuts="/"
        title={t.find.shortcut}
        placeholder={t.find.hint}
        spellCheck={false}
        autoComplete="off"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === "Enter") find.setText(typed);
          if (event.key === "Escape" && typed !== "") clear();
        }}
      />
      {typed !== "" && (
        <Button className="quiet" aria-label={t.find.clear} onPress={clear}>
          ×
        </Button>
      )}
      <DialogTrigger>
        <Button className="quiet" aria-label={t.find.help}>
          ?
        </Button>
        {/* A popover is a dialog by itself, named by its button; one within it would leave its dismiss buttons outside. */}
        <Popover className="popover">
          <div className="find-help">
            <dl>
              {t.find.words.map(([word, meaning]) => (
                <div key={word}>
                  <dt>
                    <code>{word}</code>
                  </dt>
                  <dd>{meaning}</dd>
                </div>
              ))}
            </dl>
          </div>
        </Popover>
      </DialogTrigger>
      <span id={described} role="status" className="find-result">
        {found === undefined ? find.match && t.find.found(find.match.counts) : found}
        {find.expression.problems.length > 0 && (
          <span className="find-problems">
            {find.expression.problems.map((problem) => (
              <span key={problem.word} className="find-problem">
                {t.find.problems[problem.reason](problem.word)}
              </span>
            ))}
          </span>
        )}
      </span>
    </search>
  );
}
