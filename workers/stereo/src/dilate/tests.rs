use super::*;

fn check(reach: [u32; 2], expected: [&str; 5]) {
    let mut values = vec![0.0; 35];
    values[2 * 7 + 3] = 1.0;
    dilate(&mut values, 7, reach);
    let got: Vec<String> =
        values.chunks(7).map(|r| r.iter().map(|v| if *v > 0.0 { '#' } else { '.' }).collect()).collect();
    assert_eq!(got, expected, "{reach:?}");
}

#[test]
fn a_near_point_grows_by_so_many_cells_along_each_axis() {
    check([0, 0], [".......", ".......", "...#...", ".......", "......."]);
    check([2, 0], [".......", ".......", ".#####.", ".......", "......."]);
    check([2, 1], [".......", ".#####.", ".#####.", ".#####.", "......."]);
    check([0, 2], ["...#...", "...#...", "...#...", "...#...", "...#..."]);
    check([20, 20], ["#######"; 5]);
}
