// Ways into the collection besides the list of its videos: name -> { title, show, leave, redraw }.
export const SECTIONS = {};
