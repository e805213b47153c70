use super::*;

#[test]
fn every_name_reads_back() {
    for layout in Layout::ALL {
        assert_eq!(layout.as_str().parse(), Ok(layout));
    }
    assert_eq!("anaglyph-dubois".parse(), Ok(Layout::Anaglyph(AnaglyphKind::Dubois)));
}

#[test]
fn an_unknown_name_lists_the_known_ones() {
    assert_eq!(
        "SBS".parse::<Layout>().unwrap_err().to_string(),
        "unknown format \"SBS\", use one of sbs, half-sbs, tb, half-tb, cross-eyed, anaglyph, anaglyph-color, \
         anaglyph-half-color, anaglyph-gray, anaglyph-wimmer"
    );
}

fn check(name: &str, expected: [(usize, usize); 3]) {
    let layout: Layout = name.parse().unwrap();
    let got = [(1280, 720), (722, 406), (2, 2)].map(|(w, h)| layout.output_size(w, h));
    assert_eq!(got, expected, "{name}");
}

#[test]
fn sizes_are_even_whatever_the_source() {
    check("sbs", [(2560, 720), (1444, 406), (4, 2)]);
    check("cross-eyed", [(2560, 720), (1444, 406), (4, 2)]);
    check("half-sbs", [(1280, 720), (724, 406), (4, 2)]);
    check("tb", [(1280, 1440), (722, 812), (2, 4)]);
    check("half-tb", [(1280, 720), (722, 408), (2, 4)]);
    check("anaglyph", [(1280, 720), (722, 406), (2, 2)]);
}
