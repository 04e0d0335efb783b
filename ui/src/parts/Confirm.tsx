// A button that asks before it does what cannot be taken back. The browser's own dialog: it keeps the focus, closes with
// Escape and gives the focus back, without a style that the policy would have to know.

import { type ReactNode, useId, useRef } from "react";
import { Button } from "react-aria-components";

import { t } from "../messages";
import "./confirm.css";

interface ConfirmProps {
  /** What the button says. */
  readonly label: string;
  /** The question, and what the answer to do it says. */
  readonly question: string;
  readonly confirm: string;
  readonly disabled?: boolean;
  /** Whether something is still to be said before it can be done. */
  readonly incomplete?: boolean;
  readonly onConfirm: () => void;
  /** What it means, below the question. */
  readonly children: ReactNode;
}

export function Confirm({ label, question, confirm, disabled = false, incomplete = false, onConfirm, children }: ConfirmProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [title, words] = [useId(), useId()];
  return (
    <>
      <Button isDisabled={disabled} onPress={() => dialog.current?.showModal()}>
        {label}
      </Button>
      <dialog ref={dialog} role="alertdialog" className="confirm" aria-labelledby={title} aria-describedby={words}>
        <h2 id={title}>{question}</h2>
        <div id={words}>{children}</div>
        <p className="confirm-answers">
          {/* The first has the focus: Enter by mistake changes nothing. */}
          <Button onPress={() => dialog.current?.close()}>{t.shell.leaveIt}</Button>
          <Button
            className="confirm-yes"
            isDisabled={incomplete}
            onPress={() => {
              dialog.current?.close();
              onConfirm();
            }}
          >
            {confirm}
          </Button>
        </p>
      </dialog>
    </>
  );
}
