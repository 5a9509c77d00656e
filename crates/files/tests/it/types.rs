//! Types of columns, found out.

use segue_files::{Inference, Shape};
use segue_model::recipe::{ColumnType, FileFormat};

#[test]
fn a_column_has_the_type_that_all_its_cells_have_in_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let one = "zip,n,x,ok,day,none,mixed,wide\n00501,1,1,true,2024-01-01,,1,12345678901234567\n\
        10001,,2.5,false,2024-01-02,,true,1.5\n";
    let other = "day,n,late\n2024-01-03,9223372036854775808,3\n2024-01-03\n,,4\n";
    let mut inference = Inference::default();
    for (name, text) in [("one", one), ("other", other)] {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        inference.look(&path, &Shape::new(FileFormat::Csv, None)).unwrap();
    }
    let columns = inference.columns();
    let expected = [
        ("zip", ColumnType::String),
        ("n", ColumnType::String),
        ("x", ColumnType::Double),
        ("ok", ColumnType::Boolean),
        ("day", ColumnType::Date),
        ("none", ColumnType::String),
        ("mixed", ColumnType::String),
        ("wide", ColumnType::String),
        ("late", ColumnType::Long),
    ];
    assert_eq!(columns.len(), expected.len());
    for (name, kind) in expected {
        assert_eq!(columns[name], kind, "{name}");
    }
}
