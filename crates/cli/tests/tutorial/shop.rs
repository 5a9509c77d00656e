//! The index of the tutorial: products of a shop, always the same.

use segue_testkit::{Engine, Prefix};
use serde_json::{Value, json};

const PRODUCTS: u64 = 3_000;
const WAREHOUSES: [&str; 3] = ["berlin", "lyon", "porto"];

/// Makes the index with its documents, and its aliases.
pub fn make(engine: &Engine, prefix: &Prefix) {
    let index = prefix.name("shop");
    let aliases = json!({
        prefix.name("shop-search"): {},
        prefix.name("shop-sale"): { "filter": { "term": { "on_sale": true } } },
        prefix.name("shop-write"): { "is_write_index": true },
    });
    let settings = json!({ "number_of_shards": 2, "number_of_replicas": 0, "analysis": {
        "normalizer": { "lower": { "type": "custom", "filter": ["lowercase"] } } } });
    let body = json!({ "settings": settings, "mappings": mappings(), "aliases": aliases });
    engine.json.put(&format!("/{index}"), &body);
    let all: Vec<_> = (0..PRODUCTS).map(product).collect();
    for some in all.chunks(1000) {
        let some: Vec<_> =
            some.iter().map(|(id, at, text)| (id.as_str(), *at, text.as_str())).collect();
        engine.json.write_routed(&index, &some);
    }
}

fn mappings() -> Value {
    let plain = |kind: &str| json!({ "type": kind });
    let mut fields = serde_json::Map::new();
    let kinds = [
        ("keyword", "sku ean name category tags currency color size material warehouse legacy_id"),
        ("text", "subtitle description"),
        ("float", "price old_price discount rating"),
        ("integer", "stock reviews weight_grams"),
        ("long", "sold"),
        ("boolean", "available on_sale"),
        ("date", "created updated"),
        ("geo_point", "location"),
    ];
    for (kind, names) in kinds {
        for name in names.split(' ') {
            fields.insert(name.to_owned(), plain(kind));
        }
    }
    fields.insert("brand".to_owned(), json!({ "type": "keyword", "normalizer": "lower" }));
    fields.insert(
        "dimensions".to_owned(),
        json!({ "properties": { "width": plain("short"), "height": plain("short"), "depth": plain("short") } }),
    );
    let raw = json!({ "type": "text", "fields": { "raw": plain("keyword") } });
    fields.insert(
        "supplier".to_owned(),
        json!({ "properties": { "id": plain("keyword"), "name": raw, "country": plain("keyword") } }),
    );
    fields.insert(
        "variants".to_owned(),
        json!({ "type": "nested", "properties": {
            "sku": plain("keyword"), "color": plain("keyword"), "stock": plain("integer") } }),
    );
    json!({ "dynamic": "strict", "_routing": { "required": true }, "properties": fields })
}

/// A product: its id, its routing, its document.
fn product(number: u64) -> (String, &'static str, String) {
    let mut dice = Dice(number);
    let id = format!("p{number:04}");
    let warehouse = dice.one_of(&WAREHOUSES);
    let (color, material) = (dice.one_of(&COLORS), dice.one_of(&MATERIALS));
    let thing = dice.one_of(&["table", "chair", "lamp", "shelf", "desk"]);
    let price = dice.below(90_000) + 999;
    let variants: Vec<_> = (0..dice.below(4))
        .map(|at| json!({ "sku": format!("{id}-{at}"), "color": dice.one_of(&COLORS), "stock": dice.below(9) }))
        .collect();
    let mut document = json!({
        "sku": id.to_uppercase(), "ean": format!("40{:011}", dice.below(99_999_999_999)),
        "name": format!("{material} {thing} {number}"),
        "description": format!("A {color} {thing} made of {material}, built to last."),
        "brand": dice.one_of(&["Nord", "Atelier Ouest", "Sul"]), "category": thing,
        "tags": format!("{material}, {color}, {thing}"),
        "price": cents(price), "currency": "EUR", "stock": dice.below(200),
        "sold": dice.below(10_000), "rating": cents(dice.below(500)), "reviews": dice.below(900),
        "available": dice.below(10) > 0, "on_sale": dice.below(5) == 0, "color": color,
        "material": material, "weight_grams": dice.below(40_000),
        "dimensions": { "width": dice.below(200), "height": dice.below(200), "depth": dice.below(90) },
        "supplier": { "id": format!("s{}", dice.below(40)), "name": "Möbelwerk & Söhne", "country": "DE" },
        "variants": variants, "warehouse": warehouse,
        "location": { "lat": 52.5, "lon": 13.4 },
        "created": format!("2025-{:02}-{:02}", 1 + dice.below(12), 1 + dice.below(28)),
        "legacy_id": format!("{:08}", dice.below(99_999_999)),
    });
    if document["on_sale"] == json!(true) {
        document["old_price"] = cents(price + 1_000);
    }
    (id, warehouse, document.to_string())
}

const COLORS: [&str; 4] = ["white", "oak", "black", "green"];
const MATERIALS: [&str; 4] = ["Oak", "Steel", "Beech", "Glass"];

#[expect(clippy::cast_precision_loss, reason = "prices of a few hundred")]
fn cents(count: u64) -> Value {
    json!(count as f64 / 100.0)
}

/// Numbers that look thrown, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn one_of<'a>(&mut self, all: &[&'a str]) -> &'a str {
        let at = usize::try_from(self.below(all.len() as u64)).unwrap_or_default();
        all[at]
    }
}
