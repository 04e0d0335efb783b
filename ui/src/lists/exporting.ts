// A list as a file: CSV for spreadsheets, JSON for programs. A cell shows a number with its unit; a file has the bare number,
// so the unit is in the head of the column.

import type { Column, Unit } from "./columns";
import type { Row } from "./values";

/** CSV by RFC 4180, with the titles as its first line. */
export function toCsv(rows: readonly Row[], columns: readonly Column[], titles: (key: string) => string): string {
  const lines = [columns.map((column) => headOf(column, titles(column.key))), ...rows.map((row) => columns.map((column) => plain(row, column)))];
  return lines.map((cells) => cells.map(field).join(",")).join("\r\n") + "\r\n";
}

/** `Memory, bytes`; a title that says it already is left as it is. */
function headOf({ unit }: Column, title: string): string {
  return unit === undefined || title.endsWith(unit) ? title : `${title}, ${unit}`;
}

/** Units as the API has them in its names: `latencyMs`. */
const SUFFIXES: Readonly<Record<Unit, string>> = { bytes: "Bytes", cores: "Cores", ms: "Ms", km: "Km", "Mbit/s": "Mbps" };

/** A list of objects, each with a value for every column. */
export function toJson(rows: readonly Row[], columns: readonly Column[]): string {
  return JSON.stringify(
    rows.map((row) =>
      Object.fromEntries(
        columns.map((column) => {
          const cell = column.cell(row);
          const value = cell.is === "number" ? cell.value : cell.is === "time" ? cell.iso : cell.is === "none" ? null : cell.text;
          return [column.unit === undefined ? column.key : `${column.key}${SUFFIXES[column.unit]}`, value];
        }),
      ),
    ),
    null,
    2,
  );
}

function plain(row: Row, column: Column): string {
  const cell = column.cell(row);
  return cell.is === "number" ? String(cell.value) : cell.is === "time" ? cell.iso : cell.text;
}

/** A field of CSV. A text that a spreadsheet would take for a formula is kept one: what tenants write must not run there. */
function field(value: string): string {
  const safe = /^[=+\-@\t\r]/.test(value) && !/^-?\d+(\.\d+)?$/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
