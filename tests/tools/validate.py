"""Prints which YAML files a JSON schema accepts: validate.py SCHEMA FILE..."""

import json
import sys

import jsonschema
import yaml

with open(sys.argv[1], encoding="utf-8") as file:
    schema = json.load(file)
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
for name in sys.argv[2:]:
    with open(name, encoding="utf-8") as file:
        if validator.is_valid(yaml.safe_load(file)):
            print(name)
