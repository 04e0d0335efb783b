// Says in which country each place of the demonstration's network lies, from the outlines of Natural Earth that the map
// uses too, and keeps it in server/demo_countries.json, for the server has no outlines:
//
//   node ui/scripts/demo-countries.mjs NETWORK.json [--check]
//
// NETWORK.json is topohub's data/backbone/europe.json. With --check nothing is written, and it fails where the file differs.
//
// A place is in the country whose outline it is within; on a coast that is drawn more roughly than it is, in the one whose
// outline passes within COAST_KM. What only marks the course of a cable lies at sea, in no country.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

import { geoDistance } from "d3-geo";
import { feature } from "topojson-client";

const COAST_KM = 25;
const EARTH_KM = 6_371;
/** Names in full where the outlines have short ones, and areas under the country that they count to by the UN's M49. */
const NAMES = {
  "Bosnia and Herz.": "Bosnia and Herzegovina",
  "Faeroe Is.": "Faroe Islands",
  "N. Cyprus": "Cyprus",
  "Cyprus U.N. Buffer Zone": "Cyprus",
  Kosovo: "Serbia",
  Macedonia: "North Macedonia",
  Turkey: "Türkiye",
  Åland: "Åland Islands",
};
/** Places that count to another country by M49 than the one whose outline they are within. */
const COUNTED_TO = { Yevpatoriya: "Ukraine" };

const [network, option] = process.argv.slice(2);
const target = fileURLToPath(new URL("../../server/demo_countries.json", import.meta.url));
const world = JSON.parse(readFileSync(new URL(import.meta.resolve("world-atlas/countries-10m.json")), "utf8"));
const countries = feature(world, world.objects.countries).features.map(({ properties, geometry }) => {
  const polygons = geometry.type === "Polygon" ? [geometry.coordinates] : geometry.coordinates;
  const points = polygons.flat(2);
  const [xs, ys] = [points.map(([x]) => x), points.map(([, y]) => y)];
  const bounds = [Math.min, Math.max].map((of) => [xs, ys].map((each) => each.reduce((a, b) => of(a, b))));
  return { name: NAMES[properties.name] ?? properties.name, polygons, points, bounds };
});

const found = {};
for (const { id, pos, type, name } of JSON.parse(readFileSync(network, "utf8")).nodes) {
  if (type === "Seacable Waypoint") continue;
  const country = COUNTED_TO[name] ?? within(pos) ?? nearest(pos);
  if (country !== undefined) (found[country] ??= []).push(id);
}
const lines = Object.keys(found)
  .sort()
  .map((name) => `  ${JSON.stringify(name)}: [${found[name].sort((a, b) => a - b).join(", ")}]`);
const text = `{\n${lines.join(",\n")}\n}\n`;
if (option !== "--check") writeFileSync(target, text);
else if (readFileSync(target, "utf8") !== text) {
  console.error(`${target} is not what the outlines say: run this again without --check`);
  process.exit(1);
}

function near([[left, bottom], [right, top]], [x, y], margin = 0) {
  return x >= left - margin && x <= right + margin && y >= bottom - margin && y <= top + margin;
}

/** The country with the point in its outline; the outlines are plane figures in degrees. */
function within(point) {
  const holding = countries.filter(({ bounds }) => near(bounds, point));
  return holding.find(({ polygons }) => polygons.some((rings) => rings.filter((ring) => inside(ring, point)).length % 2 === 1))?.name;
}

function inside(ring, [x, y]) {
  let odd = false;
  for (let at = 0, before = ring.length - 1; at < ring.length; before = at, at += 1) {
    const [[ax, ay], [bx, by]] = [ring[at], ring[before]];
    if (ay > y !== by > y && x < ((bx - ax) * (y - ay)) / (by - ay) + ax) odd = !odd;
  }
  return odd;
}

function nearest(point) {
  let [best, name] = [COAST_KM, undefined];
  for (const country of countries.filter(({ bounds }) => near(bounds, point, 1))) {
    for (const corner of country.points) {
      if (Math.abs(corner[0] - point[0]) > 1 || Math.abs(corner[1] - point[1]) > 1) continue;
      const far = geoDistance(point, corner) * EARTH_KM;
      if (far < best) [best, name] = [far, country.name];
    }
  }
  return name;
}
