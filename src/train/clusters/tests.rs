use super::*;
use crate::train::{Corpus, Embedder, SentenceOptions, SentenceStore};

/// Four well-parted corners, a little noise.
struct Corners;

impl Embedder for Corners {
    fn id(&self) -> String {
        "corners".to_owned()
    }

    fn width(&self) -> usize {
        9
    }

    fn embed(&self, texts: &[&str], _: &Cancel) -> Result<Vec<f32>> {
        let row = |text: &&str| {
            let number: usize = text.split(' ').nth(1).unwrap().parse().unwrap();
            let mut random = Random::new(number as u64, "noise");
            let mut row: Vec<f32> = (0..9).map(|_| 0.05 * random.normal() as f32).collect();
            row[number % 4] += 1.0;
            row
        };
        Ok(texts.iter().flat_map(row).collect())
    }
}

fn table(sentences: usize) -> (tempfile::TempDir, EmbeddingTable) {
    let folder = tempfile::tempdir().unwrap();
    let text: String = (0..sentences).map(|i| format!("Sentence {i} has enough characters.\n")).collect();
    std::fs::write(folder.path().join("a.txt"), text).unwrap();
    let corpus = Corpus::open(&folder.path().join("a.txt"), None).unwrap();
    let store = SentenceStore::build(&corpus, &SentenceOptions::default(), folder.path(), &Cancel::new()).unwrap();
    let table = EmbeddingTable::build(&store, &Corners, folder.path(), &mut |_, _| Ok(()), &Cancel::new()).unwrap();
    (folder, table)
}

fn build(table: &EmbeddingTable, options: &ClusterOptions, threads: usize) -> Result<Clusters> {
    let work = tempfile::tempdir().unwrap();
    Clusters::build(table, options, threads, work.path(), &mut |_, _| Ok(()), &Cancel::new())
}

#[test]
fn parted_corners_are_found() {
    let (_folder, table) = table(403);
    let options = ClusterOptions { count: 4, batch: 64, steps: 20, held_out: 0.25, ..ClusterOptions::default() };
    let clusters = build(&table, &options, 1).unwrap();
    let mut sizes = clusters.sizes();
    sizes.sort_unstable();
    assert_eq!(sizes, [100, 101, 101, 101]);
    for cluster in 0..4 {
        let members = clusters.members(cluster);
        assert!(members.is_sorted() && members.iter().all(|m| m % 4 == members[0] % 4 && clusters.of(*m) == cluster));
        let center = &clusters.centers()[cluster * 9..][..9];
        assert!((center[members[0] as usize % 4] - 1.0).abs() < 0.05, "{center:?}");
        let distance = |&row: &u32| {
            let row = table.rows(row as usize, 1).unwrap();
            row.iter().zip(center).map(|(x, c)| (x - c) * (x - c)).sum::<f32>()
        };
        let nearest = clusters.nearest(cluster);
        let worst = nearest.iter().map(&distance).fold(0.0, f32::max);
        assert_eq!(nearest.len(), REPRESENTATIVES);
        assert!(members.iter().filter(|m| !nearest.contains(m)).all(|m| distance(m) >= worst - 1e-5));
        assert!(distance(&nearest[0]) <= worst + 1e-5);
    }
    assert_eq!((0..4).filter(|&cluster| clusters.is_held_out(cluster)).count(), 1);
}

#[test]
fn the_same_on_any_number_of_threads_and_from_the_file() {
    let (folder, table) = table(500);
    let options = ClusterOptions { count: 60, batch: 128, steps: 5, ..ClusterOptions::default() };
    let one = build(&table, &options, 1).unwrap();
    assert_eq!(one, build(&table, &options, 3).unwrap());
    assert_ne!(one.centers(), build(&table, &ClusterOptions { seed: 2, ..options.clone() }, 1).unwrap().centers());
    for expected in [5 * 128 + 500, 0] {
        let mut seen = 0;
        let progress = &mut |done, _| {
            seen = done;
            Ok(())
        };
        let saved = Clusters::build(&table, &options, 1, folder.path(), progress, &Cancel::new()).unwrap();
        assert_eq!((&saved, seen), (&one, expected));
    }
}

#[test]
fn more_clusters_than_sentences_are_refused() {
    let (_folder, table) = table(10);
    for (count, held_out) in [(11, 0.1), (1, 0.1), (5, 1.0), (5, f64::NAN)] {
        let options = ClusterOptions { count, held_out, ..ClusterOptions::default() };
        assert_eq!(build(&table, &options, 1).unwrap_err().status(), Status::InvalidOption);
    }
    let all = build(&table, &ClusterOptions { count: 10, ..ClusterOptions::default() }, 1).unwrap();
    assert_eq!(all.sizes(), [1; 10]);
}
