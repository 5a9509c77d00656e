"""A plain loader, as one writes it: reads CSV or JSON lines and sends them with helpers.bulk.

python loader.py URL INDEX FILE [--tuned]

Cells are given the types that the columns have, as the documents would otherwise be other ones. With
--tuned the refresh is off while it loads and requests hold 1,000 documents in place of 500. Prints the
number of documents.
"""

import argparse
import csv
import json

from opensearchpy import OpenSearch, helpers

TYPES = {"number": int, "amount": float, "is_robot": lambda cell: cell == "true"}


def rows(path):
    with open(path, newline="", encoding="utf-8") as file:
        if path.endswith(".csv"):
            for row in csv.DictReader(file):
                for name, convert in TYPES.items():
                    row[name] = convert(row[name])
                yield row
        else:
            for line in file:
                yield json.loads(line)


def actions(index, path):
    for number, row in enumerate(rows(path)):
        yield {"_index": index, "_id": number, "_source": row}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("index")
    parser.add_argument("file")
    parser.add_argument("--tuned", action="store_true")
    wanted = parser.parse_args()
    client = OpenSearch(wanted.url, timeout=120)
    if wanted.tuned:
        client.indices.put_settings(index=wanted.index, body={"index.refresh_interval": "-1"})
    chunk = 1000 if wanted.tuned else 500
    count, _ = helpers.bulk(client, actions(wanted.index, wanted.file), chunk_size=chunk)
    if wanted.tuned:
        client.indices.put_settings(index=wanted.index, body={"index.refresh_interval": None})
    client.indices.refresh(index=wanted.index)
    print(count)


if __name__ == "__main__":
    main()
